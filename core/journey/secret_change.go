package journey

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// The overlap of a rotation: how long the former secret signs too.
const (
	UsualOverlap = 24 * time.Hour
	maxOverlap   = 30 * 24 * time.Hour
)

func checkSecret(name, value string) error {
	switch {
	case !secretName.MatchString(name):
		return core.Errorf(core.Invalid, "SECRET_NAME", "a secret's name is a letter and up to 63 letters, digits, _ and -").At("name")
	case len(value) < minSecret || len(value) > maxSecret:
		return core.Errorf(core.Invalid, "SECRET", "a secret has %d to %d bytes", minSecret, maxSecret).At("secret")
	}
	return nil
}

// secretPrefix begins the secrets that are made here, and shownOf is how much of one is listed.
const (
	secretPrefix = "whs_"
	shownOf      = 8
)

// makeSecret returns a secret of 256 random bits.
func makeSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return secretPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// fingerprint tells two secrets apart, and nothing of either without the workspace's keys.
func (s *Service) fingerprint(ctx context.Context, ws, value string) (string, error) {
	mac, err := s.Keys.MAC(ctx, ws, "webhook-secrets", []byte(value))
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(mac[:4]), nil
}

// fillSecret gives a secret its value.
func (s *Service) fillSecret(ctx context.Context, ws string, doc *Secret, value string) (err error) {
	if doc.Print, err = s.fingerprint(ctx, ws, value); err != nil {
		return err
	}
	if doc.Sealed, err = s.Keys.Seal(ctx, ws, []byte(value), []byte(doc.ID)); err != nil {
		return err
	}
	doc.At, doc.By = s.now(), actor(ctx)
	return nil
}

// SecretInput describes a new secret.
type SecretInput struct {
	Name           string
	Value          string // "" has one made
	IdempotencyKey string
}

// CreateSecret stores a secret under a new name. One that is made here is returned, this once;
// a value that the caller gave is not. The same idempotency key again is the same secret where
// the caller gave it, and a CONFLICT where it was shown.
func (s *Service) CreateSecret(ctx context.Context, ws string, in SecretInput) (*Secret, string, error) {
	if err := access.Allow(ctx, access.Govern); err != nil {
		return nil, "", err
	}
	value, shown := in.Value, ""
	if value == "" {
		value = makeSecret()
		shown = value
	}
	if err := checkSecret(in.Name, value); err != nil {
		return nil, "", err
	}
	sum := ""
	if in.IdempotencyKey != "" {
		sum = core.HashID("idem", ws, "webhookSecret", in.IdempotencyKey)
	}
	doc := &Secret{Meta: store.Meta{ID: store.Key(ws, in.Name)}, CreatedAt: s.now(), Sum: sum}
	if shown != "" {
		doc.Prefix = shown[:shownOf]
	}
	if err := s.fillSecret(ctx, ws, doc, value); err != nil {
		return nil, "", err
	}
	ops, err := s.recorded(ctx, ws, "journey.createSecret", in.Name, nil, Secrets.Insert(doc))
	if err != nil {
		return nil, "", err
	}
	err = s.commit(ctx, ops)
	if errors.Is(err, store.ErrConflict) {
		have, err := Secrets.Get(ctx, s.Store, doc.ID)
		switch {
		case err != nil:
			return nil, "", storeError("read the secret", err)
		case have == nil:
			return nil, "", core.Errorf(core.Unavailable, "BUSY", "the secret was deleted just now; try again").After(time.Second)
		case sum == "" || have.Sum != sum:
			return nil, "", core.Errorf(core.Conflict, "SECRET_TAKEN", "there is a secret of this name; rotate it, or use another name").At("name")
		case have.Print != doc.Print || have.Prefix != "":
			return nil, "", core.Errorf(core.Conflict, "SECRET_SHOWN", "a secret was made with this idempotency key, and is shown once only; rotate it to have another").At("idempotencyKey")
		}
		return have, "", nil
	}
	if err != nil {
		return nil, "", storeError("write the secret", err)
	}
	doc.V++
	return doc, shown, nil
}

// RotateInput describes what takes the place of a secret.
type RotateInput struct {
	Name            string
	Value           string // "" has one made
	Overlap         time.Duration
	ExpectedVersion int64
}

// RotateSecret gives a secret another value. For the overlap calls are signed with both, so
// that receivers have time to change. One that is made here is returned, this once.
func (s *Service) RotateSecret(ctx context.Context, ws string, in RotateInput) (*Secret, string, error) {
	if err := access.Allow(ctx, access.Govern); err != nil {
		return nil, "", err
	}
	value, shown := in.Value, ""
	if value == "" {
		value = makeSecret()
		shown = value
	}
	if err := checkSecret(in.Name, value); err != nil {
		return nil, "", err
	}
	if in.Overlap < 0 || in.Overlap > maxOverlap {
		return nil, "", core.Errorf(core.Invalid, "OVERLAP", "the former secret signs too for at most %d days", int(maxOverlap.Hours()/24)).At("overlap")
	}
	doc, err := s.secretAt(ctx, ws, in.Name, in.ExpectedVersion)
	if err != nil {
		return nil, "", err
	}
	doc.Old, doc.OldUntil, doc.Prefix = nil, time.Time{}, ""
	if in.Overlap > 0 {
		doc.Old, doc.OldUntil = doc.Sealed, s.now().Add(in.Overlap)
	}
	if shown != "" {
		doc.Prefix = shown[:shownOf]
	}
	if err := s.fillSecret(ctx, ws, doc, value); err != nil {
		return nil, "", err
	}
	ops, err := s.recorded(ctx, ws, "journey.rotateSecret", in.Name, map[string]string{"overlap": in.Overlap.String()}, Secrets.Replace(doc))
	if err != nil {
		return nil, "", err
	}
	if err := s.commit(ctx, ops); errors.Is(err, store.ErrConflict) {
		return nil, "", core.Errorf(core.Conflict, "VERSION", "somebody else changed the secret meanwhile; read the list again").At("expectedVersion")
	} else if err != nil {
		return nil, "", storeError("write the secret", err)
	}
	doc.V++
	return doc, shown, nil
}

// secretAt returns a secret that has a version.
func (s *Service) secretAt(ctx context.Context, ws, name string, version int64) (*Secret, error) {
	doc, err := Secrets.Get(ctx, s.Store, store.Key(ws, name))
	switch {
	case err != nil:
		return nil, storeError("read the secret", err)
	case doc == nil || !secretName.MatchString(name):
		return nil, core.Errorf(core.NotFound, "SECRET", "there is no secret of this name").At("name")
	case doc.V != version:
		return nil, core.Errorf(core.Conflict, "VERSION", "the secret is at version %d now; read the list again", doc.V).At("expectedVersion")
	}
	return doc, nil
}

// DeleteSecret ends a secret. It is refused while a version names it by which people enter or
// in which some are.
func (s *Service) DeleteSecret(ctx context.Context, ws, name string, version int64, dryRun bool) error {
	if err := access.Allow(ctx, access.Govern); err != nil {
		return err
	}
	for try := 0; ; try++ {
		doc, err := s.secretAt(ctx, ws, name, version)
		if err != nil {
			return err
		}
		use, err := secretUses.Get(ctx, s.Store, doc.ID) // before it is asked who names it
		if err != nil {
			return storeError("read the secret", err)
		}
		users, err := s.secretUsers(ctx, ws, name)
		if err != nil {
			return storeError("read the journeys", err)
		}
		if len(users) > 0 {
			return core.Errorf(core.Conflict, "SECRET_IN_USE",
				"these sign with the secret: %s; publish versions that name another, and let those inside leave", strings.Join(users[:min(len(users), 10)], ", ")).At("name")
		}
		if dryRun {
			return nil
		}
		gone := secretUses.Absent(doc.ID)
		if use != nil {
			gone = secretUses.Delete(use)
		}
		ops, err := s.recorded(ctx, ws, "journey.deleteSecret", name, nil, Secrets.Delete(doc), gone)
		if err != nil {
			return err
		}
		if err := s.commit(ctx, ops); err == nil || !errors.Is(err, store.ErrConflict) || try >= maxChanges {
			return storeError("delete the secret", err)
		}
	}
}

// secretUsers lists the versions that sign with a secret and are live: "Carts (jrn_…) version 3".
func (s *Service) secretUsers(ctx context.Context, ws, name string) ([]string, error) {
	journeys, err := Journeys.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, j := range journeys {
		if j.Mode != Live && j.Mode != Paused && j.Mode != Draining {
			continue
		}
		versions, err := s.published(ctx, ws, j.JourneyID())
		if err != nil {
			return nil, err
		}
		for _, number := range sortedKeys(versions) {
			names, err := s.signsWith(versions[number])
			if err != nil {
				return nil, err
			}
			if !slices.Contains(names, name) {
				continue
			}
			live := number == j.Entry && j.Mode != Draining
			if !live {
				if live, err = s.occupied(ctx, ws, versions[number]); err != nil {
					return nil, err
				}
			}
			if live {
				out = append(out, j.Name+" ("+j.JourneyID()+") version "+strconv.FormatInt(number, 10))
			}
		}
	}
	return out, nil
}

// occupied tells whether people are in a version.
func (s *Service) occupied(ctx context.Context, ws string, v *Version) (bool, error) {
	stats, err := s.Stats(ctx, ws, v)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(stats.Nodes, func(n NodeStats) bool { return n.Inside > 0 }), nil
}

// signsWith lists the secrets that the webhook nodes of a version sign with.
func (s *Service) signsWith(v *Version) ([]string, error) {
	p, err := s.compiled(v)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, n := range p.Definition().Nodes {
		if n.Step.Webhook == nil {
			continue
		}
		name := n.Step.Webhook.Secret
		if name == "" {
			name = DefaultSecret
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// namesSecrets returns the operations that go with the publication of a version: the secrets
// that it names are there, and nobody deletes them at the same time.
func (s *Service) namesSecrets(ctx context.Context, ws string, v *Version) ([]store.Op, error) {
	names, err := s.signsWith(v)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, name := range names {
		key := store.Key(ws, name)
		use, err := secretUses.Get(ctx, s.Store, key)
		if err != nil {
			return nil, storeError("read the secrets", err)
		}
		doc, err := Secrets.Get(ctx, s.Store, key)
		if err != nil {
			return nil, storeError("read the secrets", err)
		}
		if doc == nil {
			if name == DefaultSecret {
				continue
			}
			return nil, core.Errorf(core.Invalid, ReasonSecret, "the secret %q is gone; set it first", name).At("version")
		}
		if use == nil {
			use = &secretUse{Meta: store.Meta{ID: key}}
		}
		use.N++
		ops = append(ops, Secrets.Check(doc), secretUses.Put(use))
	}
	return ops, nil
}
