// A reporter for node:test beside `spec`: one JSON line for each skipped and each failed test, for the closing summary.
const isParent = (error) => error?.failureType === 'subtestsFailed'

export default async function* summary(events) {
  for await (const { type, data } of events) {
    const at = { name: data?.name, file: data?.file }
    if (type === 'test:pass' && data.skip !== undefined)
      yield `${JSON.stringify({ ...at, skipped: data.skip === true ? '' : data.skip })}\n`
    if (type === 'test:fail' && !isParent(data.details.error)) yield `${JSON.stringify({ ...at, failed: true })}\n`
  }
}
