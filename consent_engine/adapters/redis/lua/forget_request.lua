-- Delete a reservation: its order is in the archive, which knows the key, too.
--
-- KEYS  1 the reservation
-- ARGV  1 the order it is for
-- Returns 1 if it was for that order and is gone, else 0

local stands = redis.call("GET", KEYS[1])
if stands and string.match(stands, "^[^|]*|([^|]*)|") == ARGV[1] then
    return redis.call("DEL", KEYS[1])
end
return 0
