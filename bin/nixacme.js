#!/usr/bin/env node
// Gathers the world and hands it over: to the short way first, CommonJS as this file, since that starts fastest.
const { existsSync } = require('node:fs')

async function run(argv, cache) {
  const path = `${__dirname}/../dist/short-way.cjs`
  const { shortWay, systemHost, keep } = cache ? require('./compiled.js').load(path, cache) : require(path)
  const host = systemHost()
  const short = await shortWay(argv, host)
  if (typeof short === 'number') return host.end(await (keep?.(short) ?? short))
  if (cache) require('node:module').enableCompileCache?.(cache)
  host.end(await (await import('../dist/main.js')).main(argv, host, short))
}

process.exitCode = 70
if (existsSync(`${__dirname}/../dist`)) {
  const cache = process.env.CACHE_DIRECTORY && require('./compiled.js').trusted(process.env.CACHE_DIRECTORY)
  run(process.argv.slice(2), cache)
} else process.stderr.write("nixacme: error: the folder 'dist' is missing\nnixacme: hint: run 'npm run build'\n")
