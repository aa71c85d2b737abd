-- Write a field of an order again, unchanged, so that WAITAOF on this connection proves all earlier writes.
--
-- KEYS  1 order
-- Returns 1, or 0 when it is not here: nothing is written then, a proof never creates.

local version = redis.call("HGET", KEYS[1], "v")
if not version then return 0 end
redis.call("HSET", KEYS[1], "v", version)
return 1
