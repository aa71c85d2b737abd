-- Read what decides whether numbers may be dialled, of many lines at once: their restrictions, and the calls to them.
-- Nothing is written.
--
-- KEYS  lines
-- ARGV  1 now, '' = ask the server   then the number of each line
-- Returns {now, {number of the line among KEYS, field, value, ...}, ...}: lines without restrictions and calls are left
-- out, except those that hold another phone number than the one in ARGV

local now = now_of(ARGV[1])
local found = { now }
for n, line in ipairs(KEYS) do
    local flat, row, whose = redis.call("HGETALL", line), nil, nil
    for i = 1, #flat, 2 do
        local kind, colon = string.byte(flat[i], 1, 2)
        if colon == 58 and (kind == 114 or kind == 99) then -- r: and c:
            row = row or { n }
            row[#row + 1] = flat[i]
            row[#row + 1] = flat[i + 1]
        elseif flat[i] == "msisdn" then
            whose = flat[i + 1]
        end
    end
    if whose and (row or whose ~= ARGV[n + 1]) then
        row = row or { n }
        row[#row + 1] = "msisdn"
        row[#row + 1] = whose
    end
    if row then
        found[#found + 1] = row
    end
end
return found
