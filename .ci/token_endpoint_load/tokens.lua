-- One request over and over, or one for each line of ASSERTIONS; tells as JSON how it went. One thread only.
wrk.method, wrk.body = "POST", os.getenv("FORM")
wrk.headers["content-type"] = "application/x-www-form-urlencoded"
if os.getenv("BASIC") then wrk.headers["authorization"] = "Basic " .. os.getenv("BASIC") end

if os.getenv("ASSERTIONS") then
  local next_line = io.lines(os.getenv("ASSERTIONS"))
  request = function()
    local assertion = next_line() or error("there are too few assertions")
    return wrk.format(nil, nil, nil, wrk.body .. assertion)
  end
end

done = function(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '\nRESULT {"rate":%f,"answers":%d,"refused":%d,"broken":%d,"p50":%f,"p99":%f}\n',
    summary.requests / summary.duration * 1e6, summary.requests, failed.status,
    failed.connect + failed.read + failed.write + failed.timeout, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
