package access

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// MemberStatus is where a member stands.
type MemberStatus string

// The statuses of members.
const (
	Invited   MemberStatus = "INVITED"   // has a link and has not used it
	Joined    MemberStatus = "ACTIVE"    // may come in
	Suspended MemberStatus = "SUSPENDED" // may not, until restored
)

// Member is a person who works in a workspace, and signs in at an issuer. The
// document's key is workspace/mem_….
type Member struct {
	store.Meta `bson:",inline"`
	MemberID   string       `bson:"member"` // mem_…
	Status     MemberStatus `bson:"status"`
	Roles      []string     `bson:"roles"`
	Purposes   []string     `bson:"purposes,omitempty"` // what they may act for; empty means all
	Purpose    string       `bson:"purpose,omitempty"`  // of a request that names none
	Limits     core.Limits  `bson:"limits"`
	Issuer     string       `bson:"issuer,omitempty"` // where they sign in
	Login      string       `bson:"login,omitempty"`  // see login
	Sealed     []byte       `bson:"sealed"`           // who they are, as JSON
	EmailHash  string       `bson:"emailHash"`        // a keyed hash of the address
	InvitedBy  string       `bson:"invitedBy"`
	InvitedAt  time.Time    `bson:"invitedAt"`
	JoinedAt   time.Time    `bson:"joinedAt,omitempty"`
	// RaisedBy is who gave them roles by which they could govern, which they could not
	// before, and RaisedAt when; empty: they came with such, or have none.
	RaisedBy   string      `bson:"raisedBy,omitempty"`
	RaisedAt   time.Time   `bson:"raisedAt,omitempty"`
	Invitation *Invitation `bson:"invitation,omitempty"` // the one that is open

	Email      string    `bson:"-"` // opened by the service
	Name       string    `bson:"-"` // opened by the service; "" when nobody gave one
	LastSeenAt time.Time `bson:"-"` // coarse
}

// Workspace returns the workspace that the member belongs to.
func (m *Member) Workspace() string { return store.WorkspaceOf(m.ID) }

// Members is the collection of members.
var Members = store.Declare[Member](store.Spec{
	Name: "members", Reach: store.ReachNobody,
	// Staff, not the people whom the workspace keeps data of: no subject.
	Data:    map[string]core.Category{"sealed": core.Contact, "login": core.IdentifierID, "emailHash": core.Contact},
	Indexes: []store.Index{store.On("invitedAt"), store.On("status", "invitedAt"), store.On("roles[]", "status")},
})

// Login says that somebody who signs in at an issuer is a member of a workspace. Its
// key is login/workspace: it is global, because a token does not say which workspace
// it is for.
type Login struct {
	store.Meta `bson:",inline"`
	Login      string `bson:"login"`
	Workspace  string `bson:"ws"`
	Member     string `bson:"member"`
}

// Logins is the collection of logins.
var Logins = store.Declare[Login](store.Spec{
	Name: "logins", Global: true, Reach: store.ReachNobody, // staff
	Data:    map[string]core.Category{"login": core.IdentifierID},
	Indexes: []store.Index{store.On("login", "ws"), store.On("ws")},
})

// person is what is sealed of a member.
type person struct {
	Email string `json:"email"`
	Name  string `json:"name,omitempty"`
}

// loginSecret is where the secret that hashes logins is kept: no workspace's, for it
// must be the same in all.
const loginSecret = "system"

// login returns the keyed hash by which somebody at an issuer is known: who has only
// the store cannot tell who it is.
func (s *Service) login(ctx context.Context, issuer, subject string) (string, error) {
	if s.ring == nil {
		return "", errNoMembers
	}
	mac, err := s.ring.MAC(ctx, loginSecret, "login", []byte(issuer+"\x00"+subject))
	return hex.EncodeToString(mac), err
}

// errNoMembers is the answer of a service that was not given a ring.
var errNoMembers = core.Errorf(core.Unavailable, "NO_MEMBERS", "this server was not set up for members; use a key")

// cleanEmail returns the one form of an address that is compared and kept.
func cleanEmail(email string) (string, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	name, domain, ok := strings.Cut(email, "@")
	if !ok || name == "" || domain == "" || len(email) > 254 || strings.ContainsAny(email, " \t\r\n<>,;\"") || strings.Contains(domain, "@") {
		return "", core.Errorf(core.Invalid, "EMAIL", "give one e-mail address, such as name@example.com").At("email")
	}
	return email, nil
}

func (s *Service) emailHash(ctx context.Context, ws, email string) (string, error) {
	if s.ring == nil {
		return "", errNoMembers
	}
	mac, err := s.ring.MAC(ctx, ws, "member_email", []byte(email))
	return hex.EncodeToString(mac), err
}

func (s *Service) seal(ctx context.Context, m *Member) error {
	plain, err := json.Marshal(person{m.Email, m.Name})
	if err != nil {
		return err
	}
	m.Sealed, err = s.ring.Seal(ctx, m.Workspace(), plain, []byte(m.ID))
	return err
}

// open fills in who a member is.
func (s *Service) open(ctx context.Context, m *Member) error {
	if s.ring == nil {
		return errNoMembers
	}
	plain, err := s.ring.Open(ctx, m.Workspace(), m.Sealed, []byte(m.ID))
	if err != nil {
		return err
	}
	var p person
	if err := json.Unmarshal(plain, &p); err != nil {
		return core.Errorf(core.Internal, "MEMBER_DAMAGED", "what is kept of a member cannot be read").Wrap(err)
	}
	m.Email, m.Name = p.Email, p.Name
	return nil
}

func (s *Service) openAll(ctx context.Context, ws string, list []*Member) error {
	ids := make([]string, len(list))
	for i, m := range list {
		if err := s.open(ctx, m); err != nil {
			return err
		}
		ids[i] = m.ID
	}
	docs, err := Usages.GetMany(ctx, s.store, ids)
	for i, d := range docs {
		if d != nil {
			list[i].LastSeenAt = d.LastUsedAt
		}
	}
	return err
}

// Member returns a member, or nil when the workspace ("" is the actor's own) has none
// with that id. A member may ask for itself.
func (s *Service) Member(ctx context.Context, workspace, id string) (*Member, error) {
	a := core.ActorFrom(ctx)
	ws := workspace
	if a != nil && a.ID == id && (ws == "" || ws == a.Workspace) {
		ws = a.Workspace
		if _, err := ViewOf(ctx); err != nil {
			return nil, err
		}
	} else {
		var err error
		if ws, _, err = in(ctx, workspace, Manage); err != nil {
			return nil, err
		}
	}
	m, err := Members.Get(ctx, s.store, store.Key(ws, id))
	if err != nil || m == nil {
		return nil, err
	}
	return m, s.openAll(ctx, ws, []*Member{m})
}

// Members returns a page of a workspace's members, the oldest first, of one status or
// ("") of all.
func (s *Service) Members(ctx context.Context, workspace string, status MemberStatus, page core.PageArgs) (store.Page[Member], error) {
	ws, _, err := in(ctx, workspace, Manage)
	if err != nil {
		return store.Page[Member]{}, err
	}
	w, err := page.Resolve()
	if err != nil {
		return store.Page[Member]{}, err
	}
	p, err := Members.Page(ctx, s.store, membersOf(ws, status), w)
	if err != nil {
		return p, err
	}
	return p, s.openAll(ctx, ws, p.Items)
}

// CountMembers returns how many members Members lists.
func (s *Service) CountMembers(ctx context.Context, workspace string, status MemberStatus) (int64, error) {
	ws, _, err := in(ctx, workspace, Manage)
	if err != nil {
		return 0, err
	}
	return Members.Count(ctx, s.store, membersOf(ws, status))
}

func membersOf(ws string, status MemberStatus) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"invitedAt"}}
	if status != "" {
		q.Where = []store.Cond{store.Eq("status", string(status))}
	}
	return q
}
