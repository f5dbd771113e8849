-- wrk's requests, and one line of JSON for what they took
function init(args)
  wrk.method = "POST"
  wrk.headers["content-type"] = args[2]
  wrk.headers["authorization"] = "Bearer " .. args[1]
  local file = io.open(args[3])
  wrk.body = file:read("*a")
  file:close()
end
function done(summary, latency, _requests)
  local errors = summary.errors
  io.write(string.format('\nJSON {"requests": %d, "seconds": %f, "failed": %d, "p50_ms": %f, "p99_ms": %f}\n',
    summary.requests, summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
