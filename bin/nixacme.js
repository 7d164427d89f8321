#!/usr/bin/env node
// Gathers the world and hands it over: to the short way first, which starts fastest.
const dist = `${require('node:path').dirname(__dirname)}/dist`

async function run(argv, load) {
  const way = load('short-way')
  const host = way.systemHost()
  const short = await way.shortWay(argv, host)
  const isDone = typeof short === 'number'
  const { main, keep } = isDone ? way : load('main')
  const status = isDone ? short : await main(argv, host, short)
  // A whole run that failed has not come to all that it compiles.
  if (isDone || status === 0) keep?.()
  host.end(status)
}

process.exitCode = 70
const kept = process.env.CACHE_DIRECTORY && require('./compiled.js').loader(dist, process.env.CACHE_DIRECTORY)
if (require('node:fs').existsSync(dist)) run(process.argv.slice(2), kept || ((name) => require(`${dist}/${name}.cjs`)))
else process.stderr.write("nixacme: error: the folder 'dist' is missing\nnixacme: hint: run 'npm run build'\n")
