-- Say whether a call may begin now whose effect was leased a while ago: it is held still, and nothing bars it.
--
-- KEYS  1 order   2 its line
-- ARGV  1 the effect's field   2 the token that holds it (the attempt)   3.. fields of the restrictions that bar it
-- What bars for a time that is over counts, too: then it is leased anew, which looks closely.
-- Returns 1 or 0

local kept = redis.call("HGET", KEYS[1], ARGV[1])
local attempts, leased_at = string.match(kept or "", "^%[(%d+),(%d+)")
if attempts ~= ARGV[2] or leased_at == "0" then return 0 end
if #ARGV > 2 then
    for _, stands in ipairs(redis.call("HMGET", KEYS[2], unpack(ARGV, 3))) do
        if stands then return 0 end
    end
end
redis.call("HSET", KEYS[1], ARGV[1], kept) -- so that WAITAOF proves that this server is the one others write to
return 1
