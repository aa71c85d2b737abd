-- Give a reservation back: the door said no, and a refusal at the door reserves nothing.
--
-- KEYS  1 the reservation
-- ARGV  1 who claimed it
-- Returns 1 if it was his and is gone, else 0

local stands = redis.call("GET", KEYS[1])
if stands and string.match(stands, "^[^|]*|[^|]*|([^|]*)|") == ARGV[1] then
    return redis.call("DEL", KEYS[1])
end
return 0
