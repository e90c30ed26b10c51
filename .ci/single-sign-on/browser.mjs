// As much of a browser as signing in takes: cookies of each site, redirects, the Refresh header, and forms.

export class Browser {
  #cookies = new Map()

  #jar(url) {
    const site = new URL(url).host
    if (!this.#cookies.has(site)) this.#cookies.set(site, new Map())
    return this.#cookies.get(site)
  }

  // What a script of a site's own page asks, with its cookies.
  async ask(url, body) {
    const headers = { cookie: this.#cookie(url), 'content-type': 'application/json', origin: new URL(url).origin }
    return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json()
  }

  #cookie(url) {
    return [...this.#jar(url)].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  // Goes there and on, until a page is shown: its address, status and text.
  async go(url, form) {
    for (let hops = 0; hops < 20; hops++) {
      const jar = this.#jar(url)
      const response = await fetch(url, {
        redirect: 'manual',
        method: form ? 'POST' : 'GET',
        body: form && new URLSearchParams(form),
        headers: { cookie: this.#cookie(url) },
      })
      for (const cookie of response.headers.getSetCookie()) {
        const [, name, value] = cookie.match(/^([^=]*)=([^;]*)/)
        if (value === '' || /max-age=0(;|$)/i.test(cookie)) jar.delete(name)
        else jar.set(name, value)
      }
      const html = await response.text()
      const on = response.headers.get('location') ?? response.headers.get('refresh')?.replace(/^0; url=/, '')
      if (!on) return { url, status: response.status, html, told: paragraph(html) }
      url = new URL(on, url).href
      form = undefined
    }
    throw new Error(`sent on and on, lastly to ${url}`)
  }
}

function paragraph(html) {
  const text = html.match(/<p[^>]*>(.*?)<\/p>/s)?.[1] ?? ''
  return text.replaceAll('&#x27;', "'").trim()
}
