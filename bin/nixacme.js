#!/usr/bin/env node
// Gathers the world and hands it over: to the short way first, which starts fastest.
const dist = require('node:path').join(__dirname, '../dist')

async function run(argv, load) {
  const { shortWay, systemHost, keep } = load('short-way.cjs')
  const host = systemHost()
  const short = await shortWay(argv, host)
  const whole = typeof short === 'number' ? { keep } : load('main.cjs')
  const status = (await whole.main?.(argv, host, short)) ?? short
  // A whole run that failed has not come to all that it compiles.
  if (status === 0 || status === short) whole.keep?.()
  host.end(status)
}

process.exitCode = 70
const kept = process.env.CACHE_DIRECTORY && require('./compiled.js').loader(dist, process.env.CACHE_DIRECTORY)
if (require('node:fs').existsSync(dist)) run(process.argv.slice(2), kept || ((name) => require(`${dist}/${name}`)))
else process.stderr.write("nixacme: error: the folder 'dist' is missing\nnixacme: hint: run 'npm run build'\n")
