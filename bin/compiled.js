// Compiled code that outlives a run. A third of a run with nothing to do goes into compiling its functions anew; V8 can keep
// them, but checks what it gets back no further than its own version. So the cache lies only in the CacheDirectory= that
// systemd gave, and only when nobody but its owner may write there; and it holds the source it is of, and the code twice.
const { readFileSync, renameSync, statSync, writeFileSync } = require('node:fs')
const { Script } = require('node:vm')

/** True when code in `dir` may be run. */
function isTrusted(dir) {
  const stat = statSync(dir, { throwIfNoEntry: false })
  return stat?.uid === process.geteuid() && !(stat.mode & 0o022)
}

/** The code kept for `source`, or undefined when there is none, it is another's, or a bit of it fell over. */
function keptCode(path, source) {
  try {
    const kept = readFileSync(path)
    const half = (kept.length - source.length) / 2
    const [one, two] = [kept.subarray(source.length, source.length + half), kept.subarray(source.length + half)]
    return half > 0 && source.equals(kept.subarray(0, source.length)) && one.equals(two) ? one : undefined
  } catch {
    return undefined
  }
}

/**
 * Loads `<name>.cjs` of the folder `dist` by way of the cache in `dir`; undefined where that may not be used. What is
 * exported has a function `keep` besides: it puts there what the run has compiled, where it is news.
 */
exports.loader = (dist, dir) => (isTrusted(dir) ? (name) => load(dist, dir, name) : undefined)

function load(dist, dir, name) {
  const file = `${dist}/${name}.cjs`
  const source = readFileSync(file)
  const path = `${dir}/${name}-${process.version}-${process.arch}`
  const cachedData = keptCode(path, source)
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`
  const script = new Script(wrapped, { filename: file, cachedData })
  const module = { exports: {} }
  script.runInThisContext()(module.exports, require, module, file, dist)
  const keep = () => {
    if (cachedData && !script.cachedDataRejected) return
    try {
      const code = script.createCachedData()
      writeFileSync(`${path}.new`, Buffer.concat([source, code, code]), { mode: 0o600 })
      renameSync(`${path}.new`, path)
    } catch {
      // A full disk must not fail a run: the next one tries again.
    }
  }
  return { ...module.exports, keep }
}
