// Pushes with prom-client: adds, replaces, deletes; prints the statuses that were answered.
const client = require("prom-client");

const registry = new client.Registry();
new client.Counter({
  name: "requests_total",
  help: "Requests.",
  labelNames: ["code"],
  registers: [registry],
}).inc({ code: "200" }, 5);
new client.Histogram({
  name: "duration_seconds",
  help: "How long they took.",
  buckets: [0.1, 1],
  registers: [registry],
}).observe(0.5);

async function main() {
  const gateway = new client.Pushgateway(process.argv[2], {}, registry);
  const gone = { jobName: "gone", groupings: { instance: "i" } };
  const answers = [
    await gateway.pushAdd({ jobName: "node batch" }),
    await gateway.push(gone),
    await gateway.delete(gone),
  ];
  console.log(JSON.stringify(answers.map(({ resp }) => resp.statusCode)));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
