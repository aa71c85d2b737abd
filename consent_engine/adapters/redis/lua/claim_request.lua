-- Reserve an Idempotency-Key for one request.
--
-- KEYS  1 the reservation
-- ARGV  1 now, '' = ask the server   2 fingerprint of the request   3 order id   4 who claims (random)
--       5 the reservation to take over, as seen before, or ''
-- The last claimant of the same request owns it, so that only he may release it.
-- Returns {now, 'mine'} or {now, 'other', the reservation: fingerprint|order|claimant|instant}

local now = ARGV[1]
if now == "" then
    local time = redis.call("TIME")
    now = string.format("%d", time[1] * 1000 + math.floor(time[2] / 1000))
end
local mine = ARGV[2] .. "|" .. ARGV[3] .. "|" .. ARGV[4] .. "|" .. now
local stands = redis.call("SET", KEYS[1], mine, "NX", "GET")
if not stands then return { now, "mine" } end
if stands ~= ARGV[5] then
    local request, order = string.match(stands, "^([^|]*)|([^|]*)|")
    if request ~= ARGV[2] or order ~= ARGV[3] then return { now, "other", stands } end
end
redis.call("SET", KEYS[1], mine)
return { now, "mine" }
