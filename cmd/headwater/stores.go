package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/audit/journal"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/form"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/insight/attribution"
	"github.com/headwater-cdp/headwater/core/insight/budget"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/lead"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/loyalty"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/quality"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/policies"
)

// databaseFile is the embedded store within --data.
const databaseFile = "headwater.db"

// journalFolder is, within --data, where entries of the audit log wait until they are in
// it: whoever reads waits for its fsync and not for those of events.
const journalFolder = "audit-journal"

// earlierJournal is the file that it was in earlier versions.
const earlierJournal = "audit-journal.db"

// storeFlags say where the data is.
type storeFlags struct {
	Data  string `help:"Folder of the embedded store; made when missing." type:"path" xor:"store" placeholder:"DIR"`
	Mongo string `help:"Connection string of a MongoDB replica set, instead of --data." xor:"store" placeholder:"URI"`

	MasterKey string `help:"File with the key that seals the store's secrets: 32 bytes in base64. Without it DIR/master.key is made; on MongoDB the key is then kept in the store itself." type:"path" placeholder:"FILE"`
}

// masterFile is the master key within --data, when no other is named.
const masterFile = "master.key"

// ring returns the secrets of the store.
func (f storeFlags) ring(e *env, s store.Store) (*keyring.Ring, error) {
	m, err := f.master(e, s)
	if err != nil {
		return nil, err
	}
	return keyring.New(s, e.clock, m), nil
}

// master returns the master key. The store is only asked for it where no file holds it.
func (f storeFlags) master(e *env, s store.Store) (keyring.Master, error) {
	switch {
	case f.MasterKey != "":
		return keyring.LoadMaster(f.MasterKey)
	case f.Data != "":
		return keyring.EnsureMaster(filepath.Join(f.Data, masterFile))
	default:
		e.log.Warn("the secrets are sealed with a key that lies in the same store: whoever reads the store can open them; name a file with --master-key")
		return keyring.StoredMaster(e.ctx, s, e.clock)
	}
}

// specs are all collections of the server. Deletion, backup and, later, erasure
// walk them, so a new package is added here and nowhere else.
func specs() []*store.Spec {
	all := append(store.Specs(), insight.Specs()...)
	for _, s := range [][]*store.Spec{keyring.Specs(), audit.Specs(), access.Specs(), policies.Specs(), work.Specs(), event.Specs(), consent.Specs(), object.Specs(), profile.Specs(), segment.Specs(), loyalty.Specs(), lead.Specs(), attribution.Specs(), budget.Specs(), experiment.Specs(), predict.Specs(), form.Specs(), sync.Specs(), library.Specs(), message.Specs(), campaign.Specs(), journey.Specs(), privacy.Specs(), privacy.DeskSpecs(), quality.Specs(), ingest.Specs()} {
		all = append(all, s...)
	}
	return all
}

// open opens the store, brings it to this version and declares its collections.
func (f storeFlags) open(e *env) (store.Store, error) {
	ctx := e.ctx
	s, err := f.engine(e)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, s, e); err != nil {
		_ = s.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

func prepare(ctx context.Context, s store.Store, e *env) error {
	if err := s.Declare(ctx, specs()...); err != nil {
		return err
	}
	return store.Migrate(ctx, s, migrations(), func(m store.Migration, done, total int64) {
		e.log.Info("migrating", "version", m.Version, "name", m.Name, "done", done, "total", total)
	})
}

// journal opens where entries of the audit log wait; on MongoDB that is the store itself,
// which has no single writer, and there is none.
func (f storeFlags) journal(e *env) (*journal.Journal, error) {
	if f.Data == "" {
		return nil, nil
	}
	return journal.Open(journal.Options{Dir: filepath.Join(f.Data, journalFolder), Logger: e.log})
}

// takeOver empties the journal that an earlier version left, and removes it.
func (f storeFlags) takeOver(e *env, log *audit.Log) error {
	path := filepath.Join(f.Data, earlierJournal)
	if _, err := os.Stat(path); f.Data == "" || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	old, err := sqlite.Open(e.ctx, sqlite.Options{Path: path, Clock: e.clock})
	if err != nil {
		return err
	}
	err = old.Declare(e.ctx, audit.EarlierSpecs()...)
	if err == nil {
		err = log.TakeOver(e.ctx, old)
	}
	if err = errors.Join(err, old.Close(context.WithoutCancel(e.ctx))); err != nil {
		return fmt.Errorf("take over %s: %w", earlierJournal, err)
	}
	for _, name := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", earlierJournal, err)
		}
	}
	return nil
}

func (f storeFlags) engine(e *env) (store.Store, error) {
	switch {
	case f.Mongo != "":
		return mongo.Open(e.ctx, mongo.Options{URI: f.Mongo, Clock: e.clock, Log: e.log})
	case f.Data != "":
		if err := os.MkdirAll(f.Data, 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
		return sqlite.Open(e.ctx, sqlite.Options{Path: filepath.Join(f.Data, databaseFile), Clock: e.clock})
	}
	return nil, core.Errorf(core.Invalid, "NO_STORE", "say where the data is: --data DIR for the embedded store or --mongo URI")
}
