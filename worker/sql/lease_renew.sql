-- name: lease_renew
-- params: $1 owner uuid, $2 shards held int2[], $3 their epochs int8[], $4 owner that is known to be dead uuid or NULL,
--         $5 counters jsonb, $6 take new shards bool, $7 lease length ms int4
-- returns: shard int2, epoch int8, fresh bool, senders alive int8, whether its own row was there bool, how many shards are its
--          share int8, ms until the first lease of somebody else ends int8 (NULL: all are ours or free); one row with NULL
--          shard if nothing is held
-- locks: its lease rows; free ones with SKIP LOCKED
-- called by: sender, every 3 s. Real time on purpose: see shard_leases.
-- Shares differ by one at most: the senders that started first have the shards that are left over.
WITH me AS (
    UPDATE senders SET seen_at = clock_timestamp(), stats = $5::jsonb, leaving = NOT $6::bool
     WHERE owner = $1::uuid RETURNING 1),
buried AS (DELETE FROM senders WHERE owner = $4::uuid),
alive AS MATERIALIZED (
    SELECT n, 64 / n + (rank < 64 % n)::int AS share
      FROM (SELECT greatest(1, count(*)) AS n, count(*) FILTER (WHERE owner < $1::uuid) AS rank FROM senders
             WHERE (seen_at > clock_timestamp() - make_interval(secs => $7::int4 / 1000.0) OR owner = $1::uuid)
               AND NOT leaving AND owner IS DISTINCT FROM $4::uuid) s),
held AS (
    UPDATE shard_leases l SET expires_at = clock_timestamp() + make_interval(secs => $7::int4 / 1000.0)
      FROM unnest($2::int2[], $3::int8[]) h(shard, epoch)
     WHERE l.shard = h.shard AND l.epoch = h.epoch AND l.owner = $1::uuid
    RETURNING l.shard, l.epoch),
free AS (
    SELECT shard FROM shard_leases
     WHERE $6::bool AND (owner IS NULL OR owner = $4::uuid OR expires_at < clock_timestamp())
     ORDER BY shard
     LIMIT (SELECT greatest(0, share - cardinality($2::int2[])) FROM alive)
       FOR UPDATE SKIP LOCKED),
taken AS (
    UPDATE shard_leases l
       SET owner = $1::uuid, epoch = l.epoch + 1,
           expires_at = clock_timestamp() + make_interval(secs => $7::int4 / 1000.0)
      FROM free f WHERE l.shard = f.shard
    RETURNING l.shard, l.epoch)
SELECT x.shard, x.epoch, x.fresh, alive.n, EXISTS (SELECT FROM me), alive.share,
       (SELECT ceil(extract(epoch FROM min(expires_at) - clock_timestamp()) * 1000)::int8 FROM shard_leases
         WHERE owner <> $1::uuid AND owner IS DISTINCT FROM $4::uuid AND expires_at > clock_timestamp())
  FROM alive LEFT JOIN (SELECT shard, epoch, false AS fresh FROM held
                        UNION ALL SELECT shard, epoch, true FROM taken) x ON true
