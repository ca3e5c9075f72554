package access

import (
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Key is a credential. Its document's key is the SHA-256 of its secret, in hex.
type Key struct {
	store.Meta `bson:",inline"`
	KeyID      string   `bson:"key"` // key_…
	Workspace  string   `bson:"ws"`
	Name       string   `bson:"name"`
	Roles      []string `bson:"roles"`
	Source     string   `bson:"source,omitempty"`   // of a write key: where its events come from
	Purposes   []string `bson:"purposes,omitempty"` // what it may be used for; empty means all
	Purpose    string   `bson:"purpose,omitempty"`  // of a request that names none
	Scopes     []string `bson:"scopes,omitempty"`   // permissions; empty means all that the roles have
	Prefix     string   `bson:"prefix"`             // the first characters of the secret
	Quota      Quota    `bson:"quota"`
	// Limits narrow whose data it may see.
	Limits      core.Limits `bson:"limits"`
	CreatedAt   time.Time   `bson:"createdAt"`
	CreatedBy   string      `bson:"createdBy"`
	ExpiresAt   time.Time   `bson:"expiresAt,omitempty"`
	RevokedAt   time.Time   `bson:"revokedAt,omitempty"`
	RevokedBy   string      `bson:"revokedBy,omitempty"`
	RotatedAt   time.Time   `bson:"rotatedAt,omitempty"`
	RotatedTo   string      `bson:"rotatedTo,omitempty"`   // the key that replaces it; it ends at ExpiresAt
	RotatedFrom string      `bson:"rotatedFrom,omitempty"` // the key that it replaces
	LastUsedAt  time.Time   `bson:"-"`                     // coarse; filled in by Keys and Key
}

// Quota limits the events that a key may send to one process. The zero Quota is
// no limit.
type Quota struct {
	PerSecond float64 `bson:"perSecond,omitempty"`
	Burst     int     `bson:"burst,omitempty"` // 0: one second's worth
}

func (q Quota) burst() int {
	if q.Burst > 0 {
		return q.Burst
	}
	return max(int(q.PerSecond), 1)
}

// works reports whether the key is neither revoked nor expired.
func (k *Key) works(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// Keys is the collection of keys.
var Keys = store.Declare[Key](store.Spec{
	Name: "keys", Global: true,
	Indexes: []store.Index{store.On("ws", "-createdAt"), store.On("ws", "key")},
})

// NewKey describes a key to make.
type NewKey struct {
	Workspace string // "" means the actor's own
	Name      string
	Roles     []string
	Source    string // required for the role write, refused for others
	Purposes  []string
	Purpose   string // one of Purposes, when there are any
	Scopes    []string
	ExpiresAt time.Time // zero means never
	Quota     Quota
	Limits    core.Limits
	// IdempotencyKey makes a second call a CONFLICT (reason KEY_EXISTS): a secret
	// is shown once only.
	IdempotencyKey string
	// Also is committed with the key, or not at all.
	Also []store.Op
}

// Issued is a new key with its secret, which cannot be had again.
type Issued struct {
	Key    *Key
	Secret string
}

// check says what is wrong with the description; roles are those that there are.
func (k *NewKey) check(now time.Time, roles []string) error {
	invalid := func(path, reason, format string, args ...any) error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path)
	}
	name, err := cleanName(k.Name)
	if err != nil {
		return err
	}
	k.Name = name
	if len(k.Roles) == 0 {
		return invalid("roles", "ROLE_REQUIRED", "a key needs at least one role")
	}
	for _, r := range k.Roles {
		if !slices.Contains(roles, r) {
			return invalid("roles", "UNKNOWN_ROLE", "the roles of this workspace are %s", strings.Join(roles, ", "))
		}
	}
	write := slices.Contains(k.Roles, Write)
	switch {
	case write && len(k.Roles) > 1:
		return invalid("roles", "WRITE_ALONE", "a write key has no other role")
	case write && core.IDPrefix(k.Source) != core.PrefixSource:
		return invalid("source", "SOURCE_REQUIRED", "a write key names its source, src_…")
	case !write && k.Source != "":
		return invalid("source", "SOURCE_UNUSED", "only a write key has a source")
	}
	for _, s := range k.Scopes {
		if !slices.Contains(Permissions, Permission(s)) {
			return invalid("scopes", "UNKNOWN_SCOPE", "the scopes are the permissions: %s", permissionList())
		}
	}
	for _, p := range append(slices.Clone(k.Purposes), k.Purpose) {
		if len(p) > MaxName {
			return invalid("purposes", "PURPOSE", "a purpose is a key of the purpose register")
		}
	}
	if slices.Contains(k.Purposes, "") {
		return invalid("purposes", "PURPOSE", "a purpose is a key of the purpose register")
	}
	if len(k.Purposes) > 0 && k.Purpose != "" && !slices.Contains(k.Purposes, k.Purpose) {
		return invalid("purpose", "PURPOSE_NOT_ALLOWED", "the default purpose must be one of the allowed ones")
	}
	if !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(now) {
		return invalid("expiresAt", "IN_THE_PAST", "a key expires in the future or never")
	}
	if err := checkLimits(k.Limits); err != nil {
		return err
	}
	if k.Quota.PerSecond < 0 || k.Quota.Burst < 0 {
		return invalid("eventsPerSecond", "QUOTA", "a quota is not negative; 0 is no limit")
	}
	return nil
}

// issue makes the document and the secret.
func (k *NewKey) issue(now time.Time, by string) Issued {
	hint := hints[k.Roles[0]]
	if hint == 0 {
		hint = 'x' // a role of the workspace's own
	}
	secret := newSecret(hint)
	return Issued{Secret: secret, Key: &Key{
		Meta:  store.Meta{ID: hashSecret(secret)},
		KeyID: core.NewID(core.PrefixKey, now), Workspace: k.Workspace, Name: k.Name, Roles: k.Roles, Source: k.Source,
		Purposes: k.Purposes, Purpose: k.Purpose, Scopes: k.Scopes, Prefix: secret[:shownLength], Quota: k.Quota, Limits: k.Limits,
		CreatedAt: now.UTC().Truncate(time.Millisecond), CreatedBy: by, ExpiresAt: k.ExpiresAt,
	}}
}

// The errors of a credential.
var (
	errMissingKey = core.Errorf(core.Unauthenticated, "MISSING_KEY", "send a key as Authorization: Bearer hw_…")
	errMalformed  = core.Errorf(core.Unauthenticated, "UNKNOWN_KEY", "this is not a key: it is cut, mistyped or something else; copy it again")
	errUnknownKey = core.Errorf(core.Unauthenticated, "UNKNOWN_KEY", "this key is not known here")
	errRevoked    = core.Errorf(core.Unauthenticated, "KEY_REVOKED", "this key was revoked; ask for a new one")
	errExpired    = core.Errorf(core.Unauthenticated, "KEY_EXPIRED", "this key has expired; ask for a new one")
	errRotated    = core.Errorf(core.Unauthenticated, "KEY_EXPIRED", "this key was replaced by a new one and its grace period is over; use the new one")
	errDeleted    = core.Errorf(core.Unauthenticated, "WORKSPACE_DELETED", "the workspace of this key was deleted")
)

// state says why the key cannot be used now, or nil.
func (k *Key) state(w *Workspace, now time.Time) error {
	switch {
	case w == nil || w.Status != Active:
		return errDeleted
	case !k.RevokedAt.IsZero():
		return errRevoked
	case k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt):
		return nil
	case k.RotatedTo != "":
		return errRotated
	}
	return errExpired
}
