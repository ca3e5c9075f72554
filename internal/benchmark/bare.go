package benchmark

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Shape is what the store writes for a stream, measured while the pipeline ran.
type Shape struct {
	EventBytes   int // of a stored event
	ProfileBytes int // of a stored profile
	Events       int // in one transaction
	Profiles     int // rewritten in one transaction
	Changes      int // bytes of the change row of one transaction
	People       int // stored before
}

// bareSchema is what core/store/sqlite makes for events, profiles and the change
// log, with the same indexes.
var bareSchema = []string{
	`CREATE TABLE events (w INTEGER NOT NULL, id TEXT NOT NULL, v INTEGER NOT NULL, part TEXT, timestamp INTEGER, receivedAt INTEGER, doc BLOB NOT NULL)`,
	`CREATE UNIQUE INDEX events_key ON events (w, id)`,
	`CREATE INDEX events_part ON events (w, part, timestamp DESC) WHERE part IS NOT NULL AND timestamp IS NOT NULL`,
	`CREATE INDEX events_received ON events (w, receivedAt DESC) WHERE receivedAt IS NOT NULL`,
	`CREATE TABLE profiles (w INTEGER NOT NULL, id TEXT NOT NULL, v INTEGER NOT NULL, doc BLOB NOT NULL)`,
	`CREATE UNIQUE INDEX profiles_key ON profiles (w, id)`,
	`CREATE TABLE changes (seq INTEGER PRIMARY KEY, batch TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, body BLOB NOT NULL)`,
}

// barePragmas are those of core/store/sqlite.
const barePragmas = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)&_pragma=temp_store(MEMORY)" +
	"&_pragma=cache_size(-65536)&_pragma=wal_autocheckpoint(4000)&_pragma=cell_size_check(ON)&_txlock=immediate"

// bare is the loop that the pipeline is measured against: it writes the same rows
// with the same indexes and the same durability, and does nothing else.
type bare struct {
	db    *sql.DB
	shape Shape
	rand  *rand.Rand
	junk  []byte
	seq   int64
}

// Bare fills a file in dir with people and an event of each, then writes
// transactions of the shape for about the given time. It returns events a second.
func Bare(ctx context.Context, dir string, shape Shape, d time.Duration) (rate float64, err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "bare.db")+barePragmas)
	if err != nil {
		return 0, fmt.Errorf("bare loop: %w", err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, s := range bareSchema {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return 0, fmt.Errorf("bare loop: %w", err)
		}
	}
	b := &bare{db: db, shape: shape, rand: rand.New(rand.NewPCG(1, 2)), junk: make([]byte, 1<<20)}
	for i := range b.junk {
		b.junk[i] = byte(b.rand.Uint32())
	}
	for at := 0; at < shape.People; at += 10_000 {
		if err := b.transaction(ctx, min(10_000, shape.People-at), 0, at); err != nil {
			return 0, err
		}
	}
	events, start := 0, time.Now()
	for time.Since(start) < d {
		if err := b.transaction(ctx, shape.Events, shape.Profiles, -1); err != nil {
			return 0, err
		}
		events += shape.Events
	}
	return float64(events) / time.Since(start).Seconds(), nil
}

// transaction writes one transaction: events, and rewrites of so many profiles, or
// new profiles from a number on.
func (b *bare) transaction(ctx context.Context, events, profiles, from int) error {
	err := b.write(ctx, events, profiles, from)
	if err != nil {
		return fmt.Errorf("bare loop: %w", err)
	}
	return nil
}

func (b *bare) write(ctx context.Context, events, profiles, from int) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	insert, err := tx.PrepareContext(ctx, `INSERT INTO events (w, id, v, part, timestamp, receivedAt, doc) VALUES (1, ?, 1, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	update, err := tx.PrepareContext(ctx, `UPDATE profiles SET v = v + 1, doc = ? WHERE w = 1 AND id = ?`)
	if err != nil {
		return err
	}
	create, err := tx.PrepareContext(ctx, `INSERT INTO profiles (w, id, v, doc) VALUES (1, ?, 1, ?)`)
	if err != nil {
		return err
	}
	now := time.Now().UnixMilli()
	for i := range events {
		person := from + i
		if from < 0 {
			person = b.rand.IntN(b.shape.People)
			if i < profiles {
				if _, err := update.ExecContext(ctx, b.doc(b.shape.ProfileBytes), profileID(person)); err != nil {
					return err
				}
			}
		} else if _, err := create.ExecContext(ctx, profileID(person), b.doc(b.shape.ProfileBytes)); err != nil {
			return err
		}
		id := fmt.Sprintf("evt_%013X%013X", b.rand.Uint64()>>12, b.rand.Uint64()>>12)
		if _, err := insert.ExecContext(ctx, id, profileID(person), now, now, b.doc(b.shape.EventBytes)); err != nil {
			return err
		}
	}
	b.seq++
	_, err = tx.ExecContext(ctx, `INSERT INTO changes (seq, batch, at, body) VALUES (?, ?, ?, ?)`,
		b.seq, fmt.Sprintf("bat_%026d", b.seq), now, b.doc(b.shape.Changes))
	if err != nil {
		return err
	}
	return tx.Commit()
}

// doc returns n bytes from a random place.
func (b *bare) doc(n int) []byte {
	from := b.rand.IntN(len(b.junk) - n)
	return b.junk[from : from+n]
}

// profileID spreads numbers like the ids of profiles: random, 31 bytes.
func profileID(n int) string {
	h := uint64(n)*0x9E3779B97F4A7C15 + 1
	return fmt.Sprintf("prof_%016X%010d", h, n)
}
