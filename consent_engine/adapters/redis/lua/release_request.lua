-- Release a reservation: the request was refused at the door, and such a refusal reserves nothing.
--
-- KEYS  1 the reservation
-- ARGV  1 the claimant
-- Returns 1 if it was this claimant's and is gone, else 0

local stands = redis.call("GET", KEYS[1])
if stands and string.match(stands, "^[^|]*|[^|]*|([^|]*)|") == ARGV[1] then
    return redis.call("DEL", KEYS[1])
end
return 0
