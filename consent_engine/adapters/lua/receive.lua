-- Put a message into its line's inbox, once.
--
-- KEYS  1 line   2 its inbox   3 due-set of the inbound lane   4 refusals (zset: line and carrier -> since)
-- ARGV  1 now, '' = ask the server   2 line id   3 number   4 the message's key (for ever its name)   5 its body, json
--       6 carriers refused by it, blank-separated, or ''   7 door and 8 ref of that refusal
--       9 '1': a refusal that stands already is not a message either
-- A refusal is written, and the line's version raised, here: the next order and the next dial see it at once.
-- `seen` keeps the instants of one line from ever going back, so the front of the inbox is the oldest.
-- A new line's version begins with the instant (s since 2020): higher than that of one that `retire` deleted.
-- Returns {'stored' or 'duplicate', received at}

local line = KEYS[1]
local now = ARGV[1]
if now == "" then
    local time = redis.call("TIME")
    now = string.format("%d", time[1] * 1000 + math.floor(time[2] / 1000))
end
local seen = redis.call("HMGET", line, "seen", "m:" .. ARGV[4], "f:read", "v")
if seen[2] then
    redis.call("HSET", line, "m:" .. ARGV[4], seen[2]) -- so that WAITAOF on this connection proves the first write too
    return { "duplicate", seen[2] }
end
local due = now -- by the clock that leases go by, even if it stepped back
if seen[1] and tonumber(seen[1]) > tonumber(now) then now = seen[1] end
local fresh = {}
for carrier in string.gmatch(ARGV[6], "%S+") do
    if redis.call("HEXISTS", line, "r:" .. carrier) == 0 then fresh[#fresh + 1] = carrier end
end
if ARGV[9] == "1" and #fresh == 0 then
    local stands = redis.call("HGET", line, "r:" .. string.match(ARGV[6], "%S+"))
    redis.call("HSET", line, "r:" .. string.match(ARGV[6], "%S+"), stands)
    return { "duplicate", tostring(cjson.decode(stands)[1]) }
end

for _, carrier in ipairs(fresh) do
    redis.call("HSET", line, "r:" .. carrier,
        string.format("[%s,%s,%s]", now, cjson.encode(ARGV[7]), cjson.encode(ARGV[8])))
    redis.call("ZADD", KEYS[4], now, ARGV[2] .. " " .. carrier)
end
local fields = { "seen", now, "m:" .. ARGV[4], now }
local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
end
if ARGV[3] ~= "" then set("msisdn", ARGV[3]) end
if #fresh > 0 or not seen[4] then
    set("v", string.format("%d", (seen[4] and tonumber(seen[4]) or math.floor(now / 1000) - 1577836800) + 1))
end
if not seen[3] then set("f:read", "[]") end
redis.call("HSET", line, unpack(fields))
redis.call("RPUSH", KEYS[2], now .. "|" .. ARGV[4] .. "|" .. ARGV[5])
if not seen[3] then redis.call("ZADD", KEYS[3], due, "l:" .. ARGV[2] .. ":read") end
return { "stored", now }
