//! What has to happen at once in Redis.

/// Token bucket. KEYS: bucket, pause. ARGV: burst, microseconds in which the burst comes back. Gives 0 or the wait in
/// microseconds. The same formula as `limits::take`, on Redis's clock.
pub const ALLOW: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local paused = tonumber(redis.call('GET', KEYS[2]) or '0')
if paused > now then return math.ceil(paused - now) end
local per = tonumber(ARGV[2])
local one = math.max(math.floor(per / tonumber(ARGV[1])), 1)
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + one
local wait = full_at - now - per
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', string.format('%.0f', math.ceil((full_at - now) / 1000) + 1))
return 0
";

/// KEYS: pause. ARGV: microseconds from now. The longer of two pauses holds.
pub const PAUSE: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local wait = math.min(tonumber(ARGV[1]), 86400000000)
local until_at = now + wait
if tonumber(redis.call('GET', KEYS[1]) or '0') < until_at then
  redis.call('SET', KEYS[1], string.format('%.0f', until_at), 'PX', string.format('%.0f', math.ceil(wait / 1000) + 1))
end
return 0
";

/// KEYS: stream. ARGV: by turns a conversation and its `traceparent`, which may be empty. Rings for each.
pub const RING: &str = r"
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('XADD', KEYS[1], '*', 'conversation', ARGV[i])
  else
    redis.call('XADD', KEYS[1], '*', 'conversation', ARGV[i], 'traceparent', ARGV[i + 1])
  end
end
return 0
";

/// KEYS: stream. ARGV: group, entries counted at most. Gives the id that was delivered last, the lag (or nothing) and
/// whether the lag had to be corrected: somebody's XDEL, XTRIM by length or group at an arbitrary id, or a restart, makes
/// what `XINFO GROUPS` tells an autoscaler wrong or nothing at all. A stream with too many entries on both sides of the
/// last delivered one is left as it is.
pub const GROUP_STATE: &str = r"
local function fields(list)
  local named = {}
  for i = 1, #list, 2 do named[list[i]] = list[i + 1] end
  return named
end
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('NOGROUP the stream is gone') end
local group
for _, one in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local named = fields(one)
  if named['name'] == ARGV[1] then group = named end
end
if not group then return redis.error_reply('NOGROUP the group is gone') end
local stream = fields(redis.call('XINFO', 'STREAM', KEYS[1]))
local last, most = group['last-delivered-id'], tonumber(ARGV[2])
local waiting
local before = #redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', most)
if before < most then
  waiting = stream['length'] - before
else
  waiting = #redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', most)
  if waiting == most then return { last, group['lag'], 0 } end
end
local added = stream['entries-added']
local told = last == '0-0' or group['entries-read'] == added - waiting -- else the lag goes with the next entry
if group['lag'] == waiting and told then return { last, waiting, 0 } end
redis.call('XSETID', KEYS[1], stream['last-generated-id'], 'ENTRIESADDED', added, 'MAXDELETEDID', '0-1')
redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], last, 'ENTRIESREAD', added - waiting)
return { last, waiting, 1 }
";

/// KEYS: stream. ARGV: group. Trims below the oldest pending and the last delivered entry, never one that waits.
/// Gives how many went. (MAXLEN or XDEL would take undelivered ones and make the reported lag wrong.)
pub const TRIM: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local fields = {}
  for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
  if fields['name'] == ARGV[1] then
    local low = fields['last-delivered-id']
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
    if pending[1] > 0 then low = pending[2] end
    if low == '0-0' then return 0 end
    return redis.call('XTRIM', KEYS[1], 'MINID', '=', low)
  end
end
return 0
";

/// KEYS: stream. ARGV: group, who takes, least idle time in milliseconds, most entries. Gives bells that nobody
/// acknowledged for so long to the one who takes: its own, and those of consumers that were silent for as long.
/// (XAUTOCLAIM would take those of the living, too.)
pub const CLAIM_IDLE: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('NOGROUP the stream is gone') end
local taken, left = {}, tonumber(ARGV[4])
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local fields = {}
  for i = 1, #consumer, 2 do fields[consumer[i]] = consumer[i + 1] end
  local silent = fields['name'] == ARGV[2] or fields['idle'] >= tonumber(ARGV[3])
  if silent and fields['pending'] > 0 and left > 0 then
    for _, held in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', left, fields['name'])) do
      for _, entry in ipairs(redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], held[1])) do
        taken[#taken + 1] = entry
        left = left - 1
      end
    end
  end
end
return taken
";

/// KEYS: stream. ARGV: group, least idle time in milliseconds. Removes silent consumers with nothing pending: removing
/// one with pending entries would lose them. Gives how many went.
pub const REMOVE_CONSUMERS: &str = r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local removed = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local fields = {}
  for i = 1, #consumer, 2 do fields[consumer[i]] = consumer[i + 1] end
  if fields['pending'] == 0 and fields['idle'] >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], fields['name'])
    removed = removed + 1
  end
end
return removed
";
