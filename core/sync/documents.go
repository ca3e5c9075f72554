package sync

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// ConnectionState says whether a connection works.
type ConnectionState string

// The states of connections.
const (
	Ready         ConnectionState = "READY"
	Unauthorized  ConnectionState = "UNAUTHORIZED"   // the vendor does not let us in
	InvalidConfig ConnectionState = "INVALID_CONFIG" // a property is wrong, or there is no agreement with who gets the data
	QuotaParked   ConnectionState = "QUOTA_PARKED"   // what the vendor allows is spent until Fault.Until
	Degraded      ConnectionState = "DEGRADED"       // the last call failed; it is tried again
	CrashLoop     ConnectionState = "CRASH_LOOP"     // the connector's process ends again and again
	PausedState   ConnectionState = "PAUSED"         // somebody paused it
)

// Connection is a connector with a configuration.
type Connection struct {
	store.Meta       `bson:",inline"` // key: workspace/cnn_…
	Number           int64            `bson:"number"` // its version: rises with every change of somebody's
	Revision         int64            `bson:"rev"`    // of the configuration, rotated secrets too: the process is started anew for another one
	Name             string           `bson:"name"`
	Connector        string           `bson:"connector"`
	ConnectorVersion string           `bson:"connectorVersion"`    // that wrote the configuration
	Config           string           `bson:"config"`              // a JSON object without the secrets
	Sealed           []byte           `bson:"sealed"`              // the secrets: a JSON object, under the workspace's key
	Secrets          []string         `bson:"secrets,omitempty"`   // the names of those that are set
	Processor        string           `bson:"processor,omitempty"` // prc_…: with whom the agreement is
	Source           string           `bson:"source"`              // src_…: of what comes from it
	Webhook          string           `bson:"webhook,omitempty"`   // the token of its endpoint
	Handed           bool             `bson:"handed,omitempty"`    // data of people may have gone there
	Paused           bool             `bson:"paused,omitempty"`
	CreatedAt        time.Time        `bson:"createdAt"`
	UpdatedAt        time.Time        `bson:"updatedAt"`
	UpdatedBy        string           `bson:"updatedBy"`
}

// ConnectionID returns the connection's id, cnn_….
func (c *Connection) ConnectionID() string { return store.Rest(c.ID) }

// Workspace returns the workspace that the connection belongs to.
func (c *Connection) Workspace() string { return store.WorkspaceOf(c.ID) }

// Health is what the last calls of a connection came to. It is apart from the connection
// so that nobody's edit meets it.
type Health struct {
	store.Meta `bson:",inline"` // key: workspace/cnn_…
	State      ConnectionState  `bson:"state"`
	Fault      *Fault           `bson:"fault,omitempty"`
	At         time.Time        `bson:"at"`
	Until      time.Time        `bson:"until,omitempty"` // nothing is called before
	Failures   int64            `bson:"failures,omitempty"`
}

// Direction is which way records flow.
type Direction string

// The directions.
const (
	Pull Direction = "PULL" // from the vendor
	Push Direction = "PUSH" // to the vendor
	Both Direction = "BOTH"
)

func (d Direction) pulls() bool  { return d == Pull || d == Both }
func (d Direction) pushes() bool { return d == Push || d == Both }

// Kind is what a sync carries.
type Kind string

// The kinds.
const (
	Profiles Kind = "PROFILES" // a stream of people
	Objects  Kind = "OBJECTS"  // a stream of records of a custom type
	List     Kind = "LIST"     // the members of a segment, to a list

	// Events is what happened: here, forwarded; or there, with what a stream tells beside
	// records (consents, what became of messages, what people wrote).
	Events Kind = "EVENTS"

	// Costs is what an account spent on advertising, a record for each day and what it is
	// split by.
	Costs Kind = "COSTS"
)

// Authority says who is right where both sides changed a field.
type Authority string

// The authorities.
const (
	RemoteWins Authority = "REMOTE_WINS"
	LocalWins  Authority = "LOCAL_WINS"
	LatestWins Authority = "LATEST_WINS"
)

// Deletions says what becomes here of what the vendor deleted, and there of what was
// deleted here.
type Deletions string

// The policies.
const (
	KeepDeleted   Deletions = "KEEP"   // the other side keeps it
	DeleteDeleted Deletions = "DELETE" // records of a type are deleted; of people the mapped traits are cleared
)

// Field maps one field of the vendor's to one here.
type Field struct {
	Remote string `bson:"remote" json:"remote"` // of the stream's schema
	// Local is "traits.PATH", "identifiers.NAMESPACE" or, to the vendor only, "id" of a
	// person; "fields.KEY", "relations.KEY" or "externalId" of a record; "cost.day",
	// "cost.amount", "cost.currency", "cost.channel", "cost.campaign" or "cost.source" of costs.
	Local     string    `bson:"local" json:"local"`
	Direction Direction `bson:"direction,omitempty" json:"direction,omitempty"` // "": the sync's own
	Authority Authority `bson:"authority,omitempty" json:"authority,omitempty"` // "": the sync's own
	// ToLocal makes the value here of "value" and "remote" (all fields of the record);
	// ToRemote makes the vendor's of "value" and "local" (what Uses names). "" takes the
	// value as it is.
	ToLocal  string   `bson:"toLocal,omitempty" json:"toLocal,omitempty"`
	ToRemote string   `bson:"toRemote,omitempty" json:"toRemote,omitempty"`
	Uses     []string `bson:"uses,omitempty" json:"uses,omitempty"`
}

// Sync is a flow between a stream of a connection and what is kept here.
type Sync struct {
	store.Meta `bson:",inline"` // key: workspace/syn_…
	Number     int64            `bson:"number"` // its version: rises with every change
	Connection string           `bson:"connection"`
	Name       string           `bson:"name"`
	Kind       Kind             `bson:"kind"`
	Stream     string           `bson:"stream"`            // of a list: its id there, "" until it is made; of events that are forwarded: ""
	Type       string           `bson:"type,omitempty"`    // of objects: the key of the type; of costs: the account that bills them
	Segment    string           `bson:"segment,omitempty"` // of a list, and of people: only its members are pushed
	List       string           `bson:"list,omitempty"`    // the list's name there
	Names      []string         `bson:"names,omitempty"`   // of events: those that are forwarded
	Direction  Direction        `bson:"direction"`
	Fields     []Field          `bson:"fields"`
	Match      string           `bson:"match,omitempty"` // the vendor's field by which a record is found
	Every      time.Duration    `bson:"every"`           // between the end of a run and the next one
	Conflict   Authority        `bson:"conflict"`
	Deletions  Deletions        `bson:"deletions"`
	Purpose    string           `bson:"purpose"`              // what the data is handed over for
	Channel    string           `bson:"channel,omitempty"`    // the consent to it that is asked for; "" for any
	Categories []core.Category  `bson:"categories,omitempty"` // what may be handed over
	Paused     bool             `bson:"paused,omitempty"`
	CreatedAt  time.Time        `bson:"createdAt"`
	UpdatedAt  time.Time        `bson:"updatedAt"`
	UpdatedBy  string           `bson:"updatedBy"`
}

// SyncID returns the sync's id, syn_….
func (y *Sync) SyncID() string { return store.Rest(y.ID) }

// Workspace returns the workspace that the sync belongs to.
func (y *Sync) Workspace() string { return store.WorkspaceOf(y.ID) }

// place is where the links of a sync stand: those of two syncs over one stream are one.
func (y *Sync) place() string { return y.Connection + "/" + y.Stream }

// State is how far a sync has come. Only the holder of its task writes it.
type State struct {
	store.Meta `bson:",inline"` // key: workspace/syn_…
	Cursor     []byte           `bson:"cursor,omitempty"` // of the pull; empty begins at the beginning
	Token      string           `bson:"token,omitempty"`  // of the store's changes up to which it was pushed
	Scan       string           `bson:"scan,omitempty"`   // the first push walks everything: the last key
	Scanning   bool             `bson:"scanning,omitempty"`
	Run        string           `bson:"run,omitempty"` // srn_… that is under way
	Failures   int64            `bson:"failures,omitempty"`
	SyncedAt   time.Time        `bson:"syncedAt,omitempty"` // everything of before is on both sides
	List       string           `bson:"list,omitempty"`     // the id of the list there
	Blocked    *Fault           `bson:"blocked,omitempty"`  // why nothing may be handed over
}

// RunStatus is where a run stands; the words are those of jobs.
type RunStatus string

// The statuses.
const (
	RunRunning   RunStatus = "RUNNING"
	RunSucceeded RunStatus = "SUCCEEDED"
	RunFailed    RunStatus = "FAILED"
)

// Run is one execution of a sync.
type Run struct {
	store.Meta `bson:",inline"` // key: workspace/srn_…
	Sync       string           `bson:"sync"`
	Status     RunStatus        `bson:"status"`
	Read       int64            `bson:"read"`    // looked at, on both sides
	Written    int64            `bson:"written"` // changed on the other side
	Skipped    int64            `bson:"skipped"` // nothing to do, or it may not be handed over
	Failed     int64            `bson:"failed"`  // became dead letters
	Fault      *Fault           `bson:"fault,omitempty"`
	StartedAt  time.Time        `bson:"startedAt"`
	FinishedAt time.Time        `bson:"finishedAt,omitempty"`
}

// RunID returns the run's id, srn_….
func (r *Run) RunID() string { return store.Rest(r.ID) }

// Link says that a record of the vendor's and somebody, or a record, here are the same.
type Link struct {
	store.Meta `bson:",inline"` // key: workspace/lnk_…, the hash of place and remote id
	Place      string           `bson:"place"`
	Local      string           `bson:"local"`  // prof_…, or type/external id
	Remote     string           `bson:"remote"` // the vendor's id
	// Theirs and Ours are keyed hashes of the vendor's form of each field: as it is known
	// to be there, and as what is here was last carried over.
	Theirs   map[string]string `bson:"theirs,omitempty"`
	Ours     map[string]string `bson:"ours,omitempty"`
	PushedAt time.Time         `bson:"pushedAt,omitempty"` // the vendor's time of our last write
	Dirty    int64             `bson:"dirty,omitempty"`    // 1: what is here must go there
	Gone     bool              `bson:"gone,omitempty"`     // deleted there
	Stopped  bool              `bson:"stopped,omitempty"`  // may not be handed over any more
	Told     string            `bson:"told,omitempty"`     // the consent that the vendor was told last
	Until    time.Time         `bson:"until,omitempty"`    // when that consent ends by itself
	was      string            // Local as it is stored
}

// Dead is a record that could not be carried over.
type Dead struct {
	store.Meta `bson:",inline"` // key: workspace/ddl_…
	Sync       string           `bson:"sync"`
	Direction  Direction        `bson:"direction"`
	Local      string           `bson:"local,omitempty"`   // what is pushed
	Remote     string           `bson:"remote,omitempty"`  // the vendor's id
	Payload    string           `bson:"payload,omitempty"` // of a pull: the record, JSON
	Fault      Fault            `bson:"fault"`
	Attempts   int64            `bson:"attempts"`
	Replay     int64            `bson:"replay,omitempty"` // 1: the next run carries it over again; 2: so do the next runs, by themselves
	At         time.Time        `bson:"at"`
}

// DeadID returns the dead letter's id, ddl_….
func (d *Dead) DeadID() string { return store.Rest(d.ID) }

// Hook is a webhook that came and waits for its turn, or was taken (a mark against those
// that come again).
type Hook struct {
	store.Meta `bson:",inline"` // key: workspace/hok_…, the hash of connection and body
	Connection string           `bson:"connection"`
	Received   []byte           `bson:"received,omitempty"` // what the connector read in it, sealed
	At         time.Time        `bson:"at"`
	Done       bool             `bson:"done,omitempty"`
}

// Route leads from the token of a webhook's address to its connection. Its key is the
// token's hash.
type Route struct {
	store.Meta `bson:",inline"`
	Workspace  string `bson:"ws"`
	Connection string `bson:"connection"`
}

// Grant is an authorization that was begun: whoever comes back with its state ends it.
type Grant struct {
	store.Meta `bson:",inline"` // key: workspace/hash of the state
	Connection string           `bson:"connection"`
	Verifier   []byte           `bson:"verifier"` // sealed
	Redirect   string           `bson:"redirect"`
	Return     string           `bson:"return,omitempty"`
	By         string           `bson:"by"`
	Expires    time.Time        `bson:"expires"`
}

// The collections of the package.
var (
	Connections = store.Declare[Connection](store.Spec{
		Name: "connections", Reach: store.ReachNobody, // what members of the workspace wrote
		Data:    map[string]core.Category{"config": core.None, "sealed": core.None},
		Indexes: []store.Index{store.On("createdAt")},
	})
	Healths = store.Declare[Health](store.Spec{Name: "connection_health", Reach: store.ReachNobody})
	Syncs   = store.Declare[Sync](store.Spec{
		Name: "syncs", Reach: store.ReachNobody,
		Indexes: []store.Index{store.On("createdAt"), store.On("connection", "createdAt")},
	})
	States = store.Declare[State](store.Spec{Name: "sync_states", Reach: store.ReachNobody})
	Runs   = store.Declare[Run](store.Spec{
		Name: "sync_runs", Reach: store.ReachNobody, // numbers
		Indexes: []store.Index{store.On("sync", "-startedAt")},
	})
	// Links outlive the erasure of a person here until the vendor has carried it out: without
	// them nobody could tell it whom to forget. Erase deletes them.
	Links = store.Declare[Link](store.Spec{
		Name: "sync_links", Reach: store.ReachNobody,
		Data:    map[string]core.Category{"remote": core.IdentifierID},
		Indexes: []store.Index{store.On("place", "local"), store.On("local"), store.On("place", "dirty"), store.On("place", "until")},
	})
	DeadLetters = store.Declare[Dead](store.Spec{
		Name: "dead_letters", Reach: store.ReachSearch,
		Data:    map[string]core.Category{"payload": core.Unclassified, "local": core.IdentifierID, "remote": core.IdentifierID},
		Indexes: []store.Index{store.On("-at"), store.On("sync", "-at"), store.On("sync", "replay"), store.On("local")},
	})
	Hooks = store.Declare[Hook](store.Spec{
		Name: "webhooks", Reach: store.ReachNobody, // sealed, and gone when it is carried out
		Indexes: []store.Index{store.On("done", "at")},
	})
	Routes = store.Declare[Route](store.Spec{Name: "webhook_routes", Global: true, Indexes: []store.Index{store.On("ws")}})
	Grants = store.Declare[Grant](store.Spec{Name: "connection_grants", Reach: store.ReachNobody, Indexes: []store.Index{store.On("expires")}})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{
		Connections.Spec, Healths.Spec, Syncs.Spec, States.Spec, Runs.Spec, Links.Spec, DeadLetters.Spec, Hooks.Spec, Routes.Spec, Grants.Spec, asks.Spec, marks.Spec, inboxes.Spec, pairs.Spec,
	}
}
