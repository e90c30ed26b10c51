-- Asks Portico about each call: `http-request lua.portico`. HAProxy 2.6 or newer, built with Lua.

-- Portico's gateway listener.
local AUTHORIZE = "http://127.0.0.1:8081/_portico/authorize"

-- What is not told to Portico: the request's body, and what concerns its connection.
local DROPPED = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true, ["keep-alive"] = true,
    ["te"] = true, ["trailer"] = true, ["transfer-encoding"] = true, ["upgrade"] = true,
    -- A caller's own would contradict what is said below, and be refused.
    ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true,
}

-- What is told to the caller of an admitted call.
local TOLD = {
    ["x-request-id"] = "txn.portico_request_id",
    ["ratelimit"] = "txn.portico_ratelimit",
    ["ratelimit-policy"] = "txn.portico_ratelimit_policy",
}

local function first(values)
    return values and (values[0] or values[1])
end

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for name, values in pairs(headers) do
        if name ~= "content-length" and name ~= "connection" and name ~= "date" then
            reply:add_header(name, first(values))
        end
    end
    reply:set_body(body)
    txn:done(reply)
end

core.register_action("portico", { "http-req" }, function(txn)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not DROPPED[name] then
            headers[name] = values
        end
    end
    -- The request as the caller sent it.
    headers["x-original-method"] = { txn.f:method() }
    headers["x-original-uri"] = { txn.f:pathq() }
    headers["x-forwarded-for"] = { txn.f:src() }

    local answer = core.httpclient():get({ url = AUTHORIZE, headers = headers, timeout = 5000 })
    if not answer or not answer.status or answer.status < 200 then
        refuse(txn, 503, { ["content-type"] = { "application/problem+json" } },
            '{"type":"about:blank","title":"Unavailable","status":503,"code":"UNAVAILABLE",'
            .. '"detail":"The gateway could not decide on the call. Try again in a moment."}')
    elseif answer.status ~= 200 then
        refuse(txn, answer.status, answer.headers, answer.body)
    else
        for name, values in pairs(answer.headers) do
            if name == "x-request-id" or name:sub(1, 10) == "x-portico-" then
                txn.http:req_set_header(name, first(values))
            end
            if TOLD[name] then
                txn:set_var(TOLD[name], first(values))
            end
        end
    end
end, 0)
