#!/usr/bin/env node
// Gathers the world and hands it over: to the short way first, CommonJS as this file, since that starts fastest.
const { existsSync } = require('node:fs')

async function run(argv, cache) {
  const load = (file) => {
    const path = `${__dirname}/../dist/${file}`
    return cache ? require('./compiled.js').load(path, cache) : require(path)
  }
  const { shortWay, systemHost, keep } = load('short-way.cjs')
  const host = systemHost()
  const short = await shortWay(argv, host)
  if (typeof short === 'number') return host.end(await (keep?.(short) ?? short))
  const whole = load('main.cjs')
  const status = await whole.main(argv, host, short)
  // One that failed has not come to all that a run compiles.
  host.end(status === 0 ? (whole.keep?.(status) ?? status) : status)
}

process.exitCode = 70
if (existsSync(`${__dirname}/../dist`)) {
  const cache = process.env.CACHE_DIRECTORY && require('./compiled.js').trusted(process.env.CACHE_DIRECTORY)
  run(process.argv.slice(2), cache)
} else process.stderr.write("nixacme: error: the folder 'dist' is missing\nnixacme: hint: run 'npm run build'\n")
