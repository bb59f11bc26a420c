-- Sends the body that lies in a file again and again, and prints what became of it as one line of JSON.
local file = assert(io.open(os.getenv("BENCH_BODY_FILE"), "rb"))
wrk.method = os.getenv("BENCH_METHOD")
wrk.body = file:read("*a")
wrk.headers["content-type"] = "application/json"
for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^:\n]+): ([^\n]*)\n") do
  wrk.headers[name] = value
end
file:close()

local orders, groups, urgencies = os.getenv("BENCH_PLACES"):match("(%d+) (%d+) (%d+)")
if orders then
  math.randomseed(1)
  function request()
    wrk.headers["sluice-order"] = "account-" .. math.random(orders)
    wrk.headers["sluice-group"] = "tenant-" .. math.random(groups)
    wrk.headers["priority"] = "u=" .. math.random(urgencies) - 1
    return wrk.format()
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"answers":%d,"micros":%d,"p50Micros":%d,"p99Micros":%d,"errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
