package floors

// Module is the path that the paths of the plan are relative to.
const Module = "github.com/headwater-cdp/headwater"

// Floor says where a package stands. A path that ends in "/..." covers the
// packages beneath it too; they may import each other.
type Floor struct {
	Path  string
	Level int
	// For, when set, lists the only packages that may import this one outside
	// test files; tests anywhere above may.
	For []string
	// Only, when set, lists the project's only packages that this one may import,
	// however low the others stand.
	Only []string
	// InTests lists packages above that its tests may import all the same, where a
	// fake would prove nothing.
	InTests []string
	// Stdlib packages import nothing but the standard library outside test files.
	Stdlib bool
	// Tests marks packages that hold tests only and may look at everything.
	Tests bool
}

// Plan is the house, from the ground up. Levels are ten times the floors of the
// domain, so that there is room between them.
var Plan = []Floor{
	{Path: "core", Level: 0, Stdlib: true},

	// It writes the Go code of the plugins' contract, and is in no program.
	{Path: "tools/protogen", Level: 5, Only: []string{}, For: []string{}},

	// How the process tells of itself: it knows nothing of the project.
	{Path: "internal/telemetry", Level: 5, Only: []string{}},

	// It shares nothing with what writes the audit log but the form of what it reads.
	{Path: "internal/auditverify", Level: 5, Only: []string{}},

	{Path: "core/condition", Level: 10},
	// What a condition means, said a second time: for tests only.
	{Path: "core/condition/conditiontest", Level: 12, For: []string{}},
	{Path: "core/store", Level: 10},
	{Path: "core/template", Level: 10},
	// Mails out of blocks: Liquid for core/template, with conditions of core/condition.
	{Path: "core/layout", Level: 15},

	// What stands on the storage port, and who may see it: the domain asks the port.
	{Path: "core/store/faultstore", Level: 12, For: []string{"core/store/storetest"}},
	{Path: "core/store/mongo/...", Level: 12, For: []string{"cmd/...", "core/store/mongo/wiretest/..."}},
	{Path: "core/store/sqlite/...", Level: 12, For: []string{"cmd/..."}},
	{Path: "core/store/storetest", Level: 14, For: []string{"core/store/mongo/wiretest/..."}},
	{Path: "core/store/mongo/wiretest/...", Level: 16, Tests: true},

	{Path: "core/keyring", Level: 18},
	// It signs with the keyring and is put in order by leased work.
	{Path: "core/audit", Level: 22},
	{Path: "core/audit/journal", Level: 21, Only: []string{"core"}, For: []string{"core/audit", "cmd/..."}},
	{Path: "core/work", Level: 20},
	{Path: "core/staging", Level: 25},
	{Path: "core/access", Level: 30},
	{Path: "core/event", Level: 40},
	{Path: "core/consent", Level: 50, InTests: []string{"core/profile", "core/ingest"}},
	{Path: "core/object", Level: 60},
	{Path: "core/object/objecttest", Level: 62, For: []string{"core/store/mongo/wiretest/..."}},
	{Path: "core/profile", Level: 70},
	{Path: "core/segment", Level: 80, InTests: []string{"core/ingest"}},
	{Path: "core/insight", Level: 90, InTests: []string{"core/ingest"}},
	// What was spent, and what figures should come to: it asks the figures.
	{Path: "core/insight/budget", Level: 92, InTests: []string{"core/ingest"}},
	{Path: "core/insight/attribution", Level: 90, InTests: []string{"core/ingest"}},
	{Path: "core/insight/experiment", Level: 90, InTests: []string{"core/ingest", "core/journey"}},
	{Path: "core/lead", Level: 90, InTests: []string{"core/ingest"}},
	{Path: "core/loyalty", Level: 90, InTests: []string{"core/ingest"}},
	// Formulas: they know nothing of the project but its error.
	{Path: "core/predict/basket", Level: 85, Only: []string{"core"}},
	{Path: "core/predict/btyd", Level: 85, Only: []string{"core"}},
	{Path: "core/predict/logistic", Level: 85, Only: []string{"core"}},
	{Path: "core/predict/sendhour", Level: 85, Only: []string{}},
	{Path: "core/predict", Level: 90, InTests: []string{"core/ingest"}},
	{Path: "core/sync", Level: 90, InTests: []string{"core/ingest"}},
	// What messages say, apart from their sending: journeys, campaigns and messages use it
	// and register what they use; it knows none of them.
	{Path: "core/library", Level: 95},
	{Path: "core/message", Level: 100, InTests: []string{"core/ingest"}},
	{Path: "core/campaign", Level: 105, InTests: []string{"core/ingest"}},
	{Path: "core/form", Level: 110, InTests: []string{"core/ingest"}},
	{Path: "core/journey", Level: 110, InTests: []string{"core/ingest", "core/privacy"}},
	// Data and who fills it in; its tests run it.
	{Path: "core/journey/ready", Level: 112},
	{Path: "core/ingest", Level: 120},
	{Path: "core/privacy", Level: 130},
	{Path: "core/quality", Level: 130},

	// The demo shop goes through the same pipeline as anybody's events.
	{Path: "internal/demo", Level: 150, For: []string{"cmd/..."}},

	{Path: "policies", Level: 200},

	// What a connector's author imports is a module of its own and knows no domain.
	{Path: "plugins/proto/...", Level: 210, Only: []string{}},
	{Path: "plugins/sdk/...", Level: 220, Only: []string{"plugins/proto/..."}},
	{Path: "plugins/sdktest/...", Level: 230, Only: []string{"plugins/proto/...", "plugins/sdk/..."}, For: []string{"cmd/...", "connectors/...", "plugins/examples"}},
	// What is not written in Go has only its test here.
	{Path: "plugins/examples", Level: 240, Tests: true},
	// Not plugins/host: no folder of this module can lie beneath another module's root.
	{Path: "internal/pluginhost/...", Level: 240},
	{Path: "connectors/...", Level: 250, Only: []string{"plugins/sdk/..."}, For: []string{"cmd/..."}},

	{Path: "graph/...", Level: 300},
	{Path: "internal/benchmark", Level: 350, For: []string{"cmd/..."}},
	{Path: "cmd/...", Level: 400},

	{Path: "internal/floors", Level: 0, For: []string{}},
	{Path: "e2e", Level: 500, Tests: true},
}

// Foreign limits who may import a module of others outside test files. By is a
// list of the project's paths; Why completes the sentence "… may not: ".
type Foreign struct {
	Path string
	By   []string
	Why  string
}

// Fences keep each technology in the one place that is named after it.
var Fences = []Foreign{
	{"modernc.org/sqlite", []string{"core/store/sqlite/...", "internal/benchmark", "cmd/..."}, "SQLite is behind the storage port"},
	{"go.mongodb.org/mongo-driver/v2/mongo", []string{"core/store/mongo/..."}, "MongoDB is behind the storage port"},
	{"github.com/99designs/gqlgen", []string{"graph/..."}, "GraphQL stays at the edge"},
	{"github.com/vektah/gqlparser/v2", []string{"graph/..."}, "GraphQL stays at the edge"},
	{"github.com/gorilla/websocket", []string{"graph/...", "internal/benchmark"}, "transports stay at the edge"},
	{"github.com/osteele/liquid", []string{"core/template"}, "templates are rendered in one place, with its guards"},
	{"github.com/alecthomas/kong", []string{"cmd/..."}, "the command line is the command's"},
	{"github.com/stretchr/testify", []string{"core/store/storetest", "plugins/sdktest/..."}, "it is for tests"},
	{"pgregory.net/rapid", []string{"core/object/objecttest", "core/store/storetest"}, "it is for tests"},
	{"testing", []string{"connectors/sandbox/sandboxtest", "connectors/sandbox/spectest", "core/object/objecttest", "core/store/mongo/internal/scripted", "core/store/storetest", "plugins/sdktest/..."}, "it is for tests"},
	{"github.com/getkin/kin-openapi", []string{"connectors/sandbox/spectest"}, "it is for tests"},
}

// Banned are names that say nothing about what a package is for.
var Banned = []string{"common", "helpers", "misc", "models", "shared", "types", "util", "utils"}

// MaxLines is the most that a file written by hand may have.
const MaxLines = 500
