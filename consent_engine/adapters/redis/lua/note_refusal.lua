-- Have the journal say that a restriction stands, where the log lacks its beginning.
--
-- KEYS  1 line   2 journal
-- ARGV  1 the restriction's field   2 the journal's entry, with %s for the instant   3 now, '' = ask the server
-- A repeat adds an entry that says the same once more.
-- Returns 1, or 0 where the restriction does not stand, or stands with an end: such a one has no entry

local kept = redis.call("HGET", KEYS[1], ARGV[1])
local is_read, row = pcall(cjson.decode, kept or "")
if not (kept and is_read and type(row) == "table") or (tonumber(row[9]) or 0) > 0 then return 0 end
local now, time = ARGV[3], redis.call("TIME")
if now == "" then now = string.format("%d", time[1] * 1000 + math.floor(time[2] / 1000)) end
redis.call("RPUSH", KEYS[2], string.format(ARGV[2], now))
return 1
