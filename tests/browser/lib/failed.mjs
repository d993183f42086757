// A reporter for node's test runner: the files in which something failed, a line each.
export default async function* failed(events) {
  for await (const { type, data } of events) {
    if (type === 'test:fail') yield `${data.file}\n`;
  }
}
