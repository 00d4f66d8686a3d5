-- One small chat request again and again; CHIPP_BENCH_BODY and CHIPP_BENCH_KEY say which.
wrk.method = "POST"
wrk.body = os.getenv("CHIPP_BENCH_BODY")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("CHIPP_BENCH_KEY")

-- What the caller reads: finished requests, and everything that went wrong.
done = function(summary)
  local e = summary.errors
  io.write(string.format("RESULT %d %d\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
