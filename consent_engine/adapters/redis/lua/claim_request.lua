-- Reserve Idempotency-Keys, each for one request.
--
-- KEYS  the reservations
-- ARGV  1 now, '' = ask the server
--       then for each: fingerprint of the request   order id   the claimant (random)   the reservation to take over, as
--       it was read before, or ''
-- Two claimants of the same request share the reservation: neither may release it, the other may have saved meanwhile.
-- Returns {now, then for each 'mine', or the reservation that stands: fingerprint|order|claimant|instant}

local now = now_of(ARGV[1])
local answers = { now }
for n, key in ipairs(KEYS) do
    local at = 4 * n - 2
    local request, order, seen = ARGV[at], ARGV[at + 1], ARGV[at + 3]
    local claimant = ARGV[at + 2]
    local mine = request .. "|" .. order .. "|" .. claimant .. "|" .. now
    local stands = redis.call("SET", key, mine, "NX", "GET")
    answers[n + 1] = "mine"
    if stands then
        local theirs, made, whose = string.match(stands, "^([^|]*)|([^|]*)|([^|]*)|")
        if stands == seen then
            redis.call("SET", key, mine)
        elseif theirs == request and made == order then
            redis.call("SET", key, request .. "|" .. order .. "|" .. (whose == claimant and whose or "") .. "|" .. now)
        else
            answers[n + 1] = stands
        end
    end
end
return answers
