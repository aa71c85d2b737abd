-- Keep an API key, unless its name was given before, to a key that is active or was revoked.
--
-- KEYS  1 the API keys
-- ARGV  1 hash of the key   2 its name   3 its row, JSON: [name, role, made at], and its agent where it has one
-- A repeat changes nothing; neither does one that arrives after the key was revoked.
-- Returns 1, or 0 when the name was given before

if redis.call("HEXISTS", KEYS[1], ARGV[1]) == 1 then return 1 end
if redis.call("HEXISTS", KEYS[1], "name:" .. ARGV[2]) == 1 then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], ARGV[3], "name:" .. ARGV[2], "")
return 1
