package journey

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/condition"
)

// full has each kind of step.
const full = `{
 "timeZone":"Europe/Bucharest","reentry":"AFTER","reentryAfter":"PT24H","key":"cart.id","onOverdue":"ASK","overdueAfter":"PT2H",
 "exitWhen":{"event":{"name":"Order Completed","where":[{"path":"cartId","eq":"{{ event.cart.id }}"}]}},
 "goal":{"event":{"name":"Upgraded"}},
 "nodes":[
  {"id":"in","name":"Cart left","step":{"entry":{"event":{"name":"Cart Updated","where":[{"path":"total","gt":10}],"count":{"gte":2},"window":{"last":"P7D"}}}}},
  {"id":"in2","step":{"entry":{"segmentEntered":"seg_a"}}},
  {"id":"in3","step":{"entry":{"date":{"path":"birthday","anniversary":{"past":"P1D"}}}}},
  {"id":"in4","step":{"entry":{"object":{"type":"contract","where":[{"path":"state","eq":"open"}]}}}},
  {"id":"in5","step":{"entry":{"api":true}}},
  {"id":"in6","step":{"entry":{"list":"seg_l"}}},
  {"id":"hold","step":{"holdout":{"salt":"h","arms":[{"name":"kept out","weight":10},{"name":"treated","weight":90}]}}},
  {"id":"w1","step":{"wait":{"duration":"PT60M"}}},
  {"id":"m1","step":{"message":{"templateId":"tpl_1","channel":"EMAIL","purpose":"marketing","priority":5,"quietHours":"SKIP"}}},
  {"id":"w2","step":{"wait":{"event":{"event":{"name":"Message Opened","where":[{"path":"nodeId","eq":"m1"}]},"timeout":"P1D"}}}},
  {"id":"b","step":{"branch":[{"name":"vip","where":{"trait":{"path":"tier","eq":"gold"}}},{"name":"opened","where":{"message":{"status":"OPENED","nodeId":"m1"}}}]}},
  {"id":"s","step":{"split":{"salt":"x","arms":[{"name":"a","weight":5000},{"name":"b","weight":5000}]}}},
  {"id":"w3","step":{"wait":{"localTime":"09:30"}}},
  {"id":"w4","step":{"wait":{"trait":"renewal"}}},
  {"id":"wb","step":{"wait":{"bestTime":{"within":"P1D","localTime":"10:00"}}}},
  {"id":"w5","step":{"wait":{"until":"2030-01-01T00:00:00Z"}}},
  {"id":"t","step":{"updateTrait":{"path":"stage","value":"reminded {{ event.cart.id }}"}}},
  {"id":"t0","step":{"updateTrait":{"path":"stage","value":null}}},
  {"id":"o","step":{"upsertObject":{"type":"contract","externalId":"c-{{ event.cart.id }}","fields":{"state":"open","total":"{{ event.total }}"}}}},
  {"id":"h","step":{"webhook":{"url":"https://example.com/x/{{ event.cart.id }}","headers":{"X-A":"b"},"body":{"who":"{{ profile.name }}","n":1},"secret":"cred_1"}}},
  {"id":"c","step":{"coupon":{"pool":"summer","expiresAfter":"P7D"}}},
  {"id":"p","step":{"points":{"amount":50,"reason":"thanks"}}},
  {"id":"sc","step":{"score":{"points":-5,"reason":"cold"}}},
  {"id":"sr","step":{"score":{"rule":"cart"}}},
  {"id":"k","step":{"task":{"title":"Call {{ profile.name }}","assignee":"sales","dueAfter":"P1D"}}},
  {"id":"a","step":{"approval":{"role":"marketer","timeout":"P3D"}}},
  {"id":"sub","step":{"subJourney":"jrn_other"}},
  {"id":"g","step":{"goal":{"event":{"name":"Order Completed"}}}},
  {"id":"x","step":{"exit":true}}],
 "edges":[
  {"from":"in","to":"hold"},{"from":"in2","to":"hold"},{"from":"in3","to":"hold"},{"from":"in4","to":"hold"},{"from":"in5","to":"hold"},{"from":"in6","to":"hold"},
  {"from":"hold","on":"treated","to":"w1"},{"from":"w1","to":"m1"},{"from":"m1","to":"w2"},
  {"from":"w2","to":"b","on":"next"},{"from":"w2","on":"timeout","to":"s"},{"from":"b","on":"vip","to":"w3"},{"from":"b","on":"opened","to":"w4"},{"from":"b","on":"else","to":"w5"},
  {"from":"s","on":"a","to":"t"},{"from":"s","on":"b","to":"o"},{"from":"w3","to":"wb"},{"from":"wb","to":"h"},{"from":"w4","to":"c"},{"from":"w4","on":"else","to":"p"},{"from":"w5","to":"sc"},
  {"from":"t","to":"k"},{"from":"o","to":"a"},{"from":"h","to":"sub"},{"from":"c","to":"g"},{"from":"c","on":"else","to":"x"},{"from":"p","to":"sr"},{"from":"sc","to":"t0"},
  {"from":"a","to":"x"},{"from":"a","on":"else","to":"w1"},{"from":"a","on":"timeout","to":"x"},{"from":"g","on":"else","to":"x"}]}`

// TestCanonical: the canonical form reads back to the same definition, and is the
// same for what means the same.
func TestCanonical(t *testing.T) {
	d := parsed(t, full)
	raw, err := MarshalJSON(d)
	require.NoError(t, err)
	back, err := ParseJSON(raw)
	require.NoError(t, err)
	require.Equal(t, d, back)
	again, err := MarshalJSON(back)
	require.NoError(t, err)
	require.Equal(t, string(raw), string(again))
	require.Contains(t, string(raw), `"duration":"PT1H"`)

	same := parsed(t, strings.NewReplacer("PT24H", "P1D", "PT60M", "PT1H").Replace(full))
	other, err := MarshalJSON(same)
	require.NoError(t, err)
	require.Equal(t, Hash(raw), Hash(other))
	changed, err := MarshalJSON(parsed(t, strings.Replace(full, `"amount":50`, `"amount":51`, 1)))
	require.NoError(t, err)
	require.NotEqual(t, Hash(raw), Hash(changed))
	_, err = Compile(d, "jrn_1")
	require.NoError(t, err)
	_, err = ParseJSON([]byte(`{} {}`))
	require.Error(t, err)
}

// known is a workspace's vocabulary.
type known struct{}

func (known) Conditions() condition.Vocabulary { return knownConditions{} }
func (known) Template(id string) (TemplateInfo, bool) {
	t, ok := map[string]TemplateInfo{
		"tpl_m": {Channel: "EMAIL", Published: true}, "tpl_sms": {Channel: "SMS", Published: true}, "tpl_draft": {Channel: "EMAIL"},
		"tpl_gone": {Archived: true}, "tpl_bare": {Channel: "EMAIL", Published: true, Missing: []string{"profile.firstName"}},
	}[id]
	return t, ok
}
func (known) Purposes() []string      { return []string{"marketing"} }
func (known) Pool(key string) bool    { return key == "summer" }
func (known) Rule(key string) bool    { return key == "cart" }
func (known) Secret(name string) bool { return name == "cred_1" }
func (known) Connected(c string) bool { return c != "PUSH" }
func (known) Journey(id string) (JourneyInfo, bool) {
	j, ok := map[string]JourneyInfo{"jrn_b": {Subs: []string{"jrn_c"}}, "jrn_c": {Subs: []string{"jrn_self"}}, "jrn_d": {}, "jrn_old": {Archived: true}}[id]
	return j, ok
}

type knownConditions struct{}

func (knownConditions) TraitTypes(string) ([]string, bool) { return []string{"string"}, true }
func (knownConditions) EventKnown(string) bool             { return true }
func (knownConditions) PropertyTypes(string, string) ([]string, bool) {
	return []string{"integer"}, true
}
func (knownConditions) ObjectType(key string) (condition.ObjectVocabulary, bool) {
	return condition.ObjectVocabulary{Fields: map[string][]string{"state": {"string"}}}, key == "contract"
}
func (knownConditions) Segment(id string) (condition.SegmentInfo, bool) {
	s, ok := map[string]condition.SegmentInfo{"seg_a": {}, "seg_l": {Static: true}, "seg_x": {Archived: true}}[id]
	return s, ok
}
func (knownConditions) ObjectTypes() []string { return []string{"contract"} }
func (knownConditions) Events() []string      { return nil }

// TestFaults: each is told with its reason, its path and the node.
func TestFaults(t *testing.T) {
	const end = `x {"exit":true}`
	one := func(step string, edges ...string) string {
		return drawn("", []string{"n " + step, end}, append([]string{"in next n", "n next x"}, edges...)...)
	}
	manyNodes := make([]string, MaxNodes)
	for i := range manyNodes {
		manyNodes[i] = mail(fmt.Sprint("m", i))
	}
	for name, c := range map[string]struct{ text, reason, path, says string }{
		"not an object":          {`[]`, condition.ReasonType, "", "object"},
		"unknown key":            {drawn(`,"colour":1`, []string{end}, "in next x"), condition.ReasonUnknownKey, "colour", "colour"},
		"unknown key in step":    {one(`{"message":{"templateId":"tpl_m","channel":"EMAIL","purpose":"marketing","cc":1}}`), condition.ReasonUnknownKey, "nodes.1.step.message.cc", `node "n"`},
		"two keys":               {one(`{"exit":true,"goal":{"trait":{"path":"a","eq":"1"}}}`), condition.ReasonOneKey, "nodes.1.step", "exit and goal"},
		"no key":                 {one(`{"exit":null}`), condition.ReasonOneKey, "nodes.1.step", "none is given"},
		"unreachable":            {drawn("", []string{mail("m"), end}, "in next x"), ReasonUnreachable, "nodes.1", `node "m"`},
		"no entry":               {`{"timeZone":"UTC","reentry":"ONCE","nodes":[{"id":"x","step":{"exit":true}}],"edges":[]}`, ReasonNoEntry, "nodes", "enter"},
		"loop":                   {drawn("", []string{mail("a"), mail("b")}, "in next a", "a next b", "b next a"), ReasonLoop, "nodes.1", `"a", "b", "a"`},
		"loop of an until":       {drawn("", []string{mail("a"), `w {"wait":{"until":"2020-01-01T00:00:00Z"}}`}, "in next a", "a next w", "w next a"), ReasonLoop, "nodes.1", "round"},
		"itself":                 {drawn("", []string{mail("a")}, "in next a", "a next a"), ReasonLoop, "nodes.1", "round"},
		"echo":                   {drawn("", []string{mail("a"), `w {"wait":{"event":{"event":{"name":"Message Sent"},"timeout":"P1D"}}}`, mail("b"), end}, "in next a", "a next w", "w next b", "w timeout x", "b next a"), ReasonLoop, "nodes.1", `"a", "w", "b", "a"`},
		"echo of a record":       {drawn("", []string{`a {"upsertObject":{"type":"contract","externalId":"1"}}`, `w {"wait":{"event":{"event":{"name":"Record Changed"},"timeout":"P1D"}}}`, end}, "in next a", "a next w", "w next a", "w timeout x"), ReasonLoop, "nodes.1", `"a", "w", "a"`},
		"edge to nowhere":        {drawn("", []string{end}, "in next y"), ReasonNoSuchNode, "edges.0.to", `"y"`},
		"edge from nowhere":      {drawn("", []string{end}, "in next x", "y next x"), ReasonNoSuchNode, "edges.1.from", `"y"`},
		"edge that is none":      {drawn("", []string{end}, "in next x", "in timeout x"), ReasonEdge, "edges.1.on", `node "in"`},
		"edge out of an exit":    {drawn("", []string{end, mail("m")}, "in next x", "x next m"), ReasonEdge, "edges.1.on", `node "x"`},
		"edge into an entry":     {drawn("", []string{mail("m")}, "in next m", "m next in"), ReasonEdge, "edges.1.to", "entry"},
		"edge twice":             {drawn("", []string{mail("m"), end}, "in next m", "m next x", "m next x"), ReasonDuplicate, "edges.2", `node "m"`},
		"arm without edge":       {drawn("", []string{`n {"branch":[{"name":"a","where":{"trait":{"path":"t","eq":"1"}}}]}`, end}, "in next n", "n else x"), ReasonNoEdge, "nodes.1", `"a"`},
		"branch without else":    {drawn("", []string{`n {"branch":[{"name":"a","where":{"trait":{"path":"t","eq":"1"}}}]}`, end}, "in next n", "n a x"), ReasonNoEdge, "nodes.1", `"else"`},
		"arm called else":        {one(`{"branch":[{"name":"else","where":{"trait":{"path":"t","eq":"1"}}}]}`), condition.ReasonName, "nodes.1.step.branch.0.name", "else"},
		"arm with weight":        {one(`{"branch":[{"name":"a","weight":1,"where":{"trait":{"path":"t","eq":"1"}}}]}`), condition.ReasonNotAllowed, "nodes.1.step.branch.0.weight", "where"},
		"arm twice":              {one(`{"split":{"salt":"s","arms":[{"name":"a","weight":50},{"name":"a","weight":50}]}}`), ReasonDuplicate, "nodes.1.step.split.arms.1.name", "name"},
		"weights":                {one(`{"split":{"salt":"s","arms":[{"name":"a","weight":50},{"name":"b","weight":49}]}}`), ReasonWeights, "nodes.1.step.split.arms", "99"},
		"no salt":                {one(`{"split":{"arms":[{"name":"a","weight":100}]}}`), condition.ReasonRequired, "nodes.1.step.split.salt", "salt"},
		"holdout keeps nobody":   {drawn("", []string{`n {"holdout":{"salt":"s","arms":[{"name":"a","weight":100}]}}`, end}, "in next n", "n a x"), ReasonNoEdge, "nodes.1", "kept out"},
		"no purpose":             {one(`{"message":{"templateId":"tpl_m","channel":"EMAIL"}}`), condition.ReasonRequired, "nodes.1.step.message.purpose", `node "n"`},
		"no channel":             {one(`{"message":{"templateId":"tpl_m","purpose":"marketing"}}`), condition.ReasonRequired, "nodes.1.step.message.channel", "EMAIL"},
		"unknown purpose":        {one(`{"message":{"templateId":"tpl_m","channel":"EMAIL","purpose":"spam"}}`), ReasonPurpose, "nodes.1.step.message.purpose", "marketing"},
		"unknown template":       {one(`{"message":{"templateId":"tpl_no","channel":"EMAIL","purpose":"marketing"}}`), ReasonTemplate, "nodes.1.step.message.templateId", "no template"},
		"archived template":      {one(`{"message":{"templateId":"tpl_gone","channel":"EMAIL","purpose":"marketing"}}`), ReasonTemplate, "nodes.1.step.message.templateId", "archived"},
		"other channel":          {one(`{"message":{"templateId":"tpl_sms","channel":"EMAIL","purpose":"marketing"}}`), ReasonChannel, "nodes.1.step.message.templateId", "SMS"},
		"draft template":         {one(`{"message":{"templateId":"tpl_draft","channel":"EMAIL","purpose":"marketing"}}`), ReasonUnpublished, "nodes.1.step.message.templateId", "published"},
		"missing fallback":       {one(`{"message":{"templateId":"tpl_bare","channel":"EMAIL","purpose":"marketing"}}`), ReasonFallback, "nodes.1.step.message.templateId", "profile.firstName"},
		"unknown pool":           {one(`{"coupon":{"pool":"winter"}}`), ReasonPool, "nodes.1.step.coupon.pool", "pool"},
		"unknown rule":           {one(`{"score":{"rule":"x"}}`), ReasonRule, "nodes.1.step.score.rule", "rule"},
		"rule and points":        {one(`{"score":{"rule":"cart","points":1}}`), condition.ReasonOneKey, "nodes.1.step.score", "rule"},
		"no points":              {one(`{"points":{"amount":0,"reason":"x"}}`), condition.ReasonNumber, "nodes.1.step.points.amount", "nothing"},
		"half a point":           {one(`{"points":{"amount":1.5,"reason":"x"}}`), condition.ReasonNumber, "nodes.1.step.points.amount", "whole"},
		"unknown type":           {one(`{"upsertObject":{"type":"car","externalId":"1"}}`), condition.ReasonUnknownType, "nodes.1.step.upsertObject.type", "contract"},
		"unknown field":          {one(`{"upsertObject":{"type":"contract","externalId":"1","fields":{"colour":1}}}`), condition.ReasonUnknownField, "nodes.1.step.upsertObject.fields.colour", "field"},
		"unknown placeholder":    {one(`{"task":{"title":"{{ person.name }}","assignee":"x"}}`), ReasonPlaceholder, "nodes.1.step.task.title", "person.name"},
		"no value":               {one(`{"updateTrait":{"path":"a"}}`), condition.ReasonRequired, "nodes.1.step.updateTrait.value", "null"},
		"bad trait path":         {one(`{"updateTrait":{"path":"a..b","value":1}}`), condition.ReasonPath, "nodes.1.step.updateTrait.path", "path"},
		"plain http":             {one(`{"webhook":{"url":"http://example.com"}}`), ReasonURL, "nodes.1.step.webhook.url", "https"},
		"host by placeholder":    {one(`{"webhook":{"url":"https://{{ event.host }}/x"}}`), ReasonURL, "nodes.1.step.webhook.url", "host"},
		"bad header":             {one(`{"webhook":{"url":"https://example.com","headers":{"A B":"x"}}}`), condition.ReasonName, "nodes.1.step.webhook.headers.A B", "header"},
		"itself as sub":          {one(`{"subJourney":"jrn_self"}`), ReasonCycle, "nodes.1.step.subJourney", "itself"},
		"cycle of subs":          {one(`{"subJourney":"jrn_b"}`), ReasonCycle, "nodes.1.step.subJourney", "back"},
		"unknown sub":            {one(`{"subJourney":"jrn_no"}`), ReasonJourney, "nodes.1.step.subJourney", "no journey"},
		"archived sub":           {one(`{"subJourney":"jrn_old"}`), ReasonJourney, "nodes.1.step.subJourney", "archived"},
		"no wait":                {one(`{"wait":{"duration":"PT0S"}}`), condition.ReasonDuration, "nodes.1.step.wait.duration", "longer than nothing"},
		"long wait":              {one(`{"wait":{"duration":"P6Y"}}`), condition.ReasonDuration, "nodes.1.step.wait.duration", "five years"},
		"far time":               {one(`{"wait":{"until":"2040-01-01T00:00:00Z"}}`), condition.ReasonTime, "nodes.1.step.wait.until", "five years"},
		"local time":             {one(`{"wait":{"localTime":"9:00"}}`), ReasonLocalTime, "nodes.1.step.wait.localTime", "09:00"},
		"best time without else": {one(`{"wait":{"bestTime":{"within":"P1D"}}}`), condition.ReasonRequired, "nodes.1.step.wait.bestTime.localTime", "required"},
		"best time, bad else":    {one(`{"wait":{"bestTime":{"within":"P1D","localTime":"24:00"}}}`), ReasonLocalTime, "nodes.1.step.wait.bestTime.localTime", "09:00"},
		"best time of minutes":   {one(`{"wait":{"bestTime":{"within":"PT10M","localTime":"10:00"}}}`), condition.ReasonDuration, "nodes.1.step.wait.bestTime.within", "1 hour to 7 days"},
		"best time of a month":   {one(`{"wait":{"bestTime":{"within":"P1M","localTime":"10:00"}}}`), condition.ReasonDuration, "nodes.1.step.wait.bestTime.within", "1 hour to 7 days"},
		"no timeout":             {one(`{"wait":{"event":{"event":{"name":"A"}}}}`), condition.ReasonRequired, "nodes.1.step.wait.event.timeout", "timeout"},
		"no timeout edge":        {one(`{"wait":{"event":{"event":{"name":"A"},"timeout":"P1D"}}}`), ReasonNoEdge, "nodes.1", `"timeout"`},
		"count in a wait":        {one(`{"wait":{"event":{"event":{"name":"A","count":{"gte":2}},"timeout":"P1D"}}}`), condition.ReasonNotAllowed, "nodes.1.step.wait.event.event", "count"},
		"bad condition":          {one(`{"goal":{"event":{"name":"A","where":[{"path":"p","gt":"x","colour":1}]}}}`), condition.ReasonUnknownKey, "nodes.1.step.goal.event.where.0.colour", `node "n"`},
		"goal of all time":       {one(`{"goal":{"not":{"firstTime":{"name":"A"}}}}`), condition.ReasonNotAllowed, "nodes.1.step.goal", "entered"},
		"bound entry":            {strings.Replace(one(`{"exit":true}`), `{"name":"Start"}`, `{"name":"Start","where":[{"path":"a","eq":"{{ event.b }}"}]}`, 1), condition.ReasonNotAllowed, "nodes.0.step.entry.event", "entering event"},
		"date that stands still": {strings.Replace(one(`{"exit":true}`), `{"event":{"name":"Start"}}`, `{"date":{"path":"birthday","exists":true}}`, 1), condition.ReasonNotAllowed, "nodes.0.step.entry.date", "anniversary"},
		"unknown segment":        {strings.Replace(one(`{"exit":true}`), `{"event":{"name":"Start"}}`, `{"segmentLeft":"seg_no"}`, 1), condition.ReasonSegment, "nodes.0.step.entry.segmentLeft", "no segment"},
		"archived segment":       {strings.Replace(one(`{"exit":true}`), `{"event":{"name":"Start"}}`, `{"segmentEntered":"seg_x"}`, 1), condition.ReasonArchived, "nodes.0.step.entry.segmentEntered", "archived"},
		"segment as list":        {strings.Replace(one(`{"exit":true}`), `{"event":{"name":"Start"}}`, `{"list":"seg_a"}`, 1), condition.ReasonNotAList, "nodes.0.step.entry.list", "segmentEntered"},
		"duplicate id":           {drawn("", []string{end, end}, "in next x"), ReasonDuplicate, "nodes.2.id", `"x"`},
		"bad id":                 {strings.ReplaceAll(drawn("", []string{end}, "in next x"), `"x"`, `"a b"`), ReasonNodeID, "nodes.1.id", "letters"},
		"too many nodes":         {drawn("", manyNodes, "in next m0"), ReasonTooMany, "nodes", "500"},
		"time zone":              {drawn(`,"timeZone":"Mars/Olympus"`, []string{end}, "in next x"), ReasonTimeZone, "timeZone", "Europe"},
		"local":                  {drawn(`,"timeZone":"Local"`, []string{end}, "in next x"), ReasonTimeZone, "timeZone", "Europe"},
		"after nothing":          {drawn(`,"reentry":"AFTER"`, []string{end}, "in next x"), condition.ReasonRequired, "reentryAfter", "duration"},
		"once after":             {drawn(`,"reentry":"ONCE","reentryAfter":"P1D"`, []string{end}, "in next x"), condition.ReasonNotAllowed, "reentryAfter", "AFTER"},
		"no reentry":             {`{"timeZone":"UTC","nodes":[],"edges":[]}`, condition.ReasonRequired, "reentry", "ONCE"},
		"overdue":                {drawn(`,"onOverdue":"DROP"`, []string{end}, "in next x"), condition.ReasonEnum, "onOverdue", "SKIP"},
		"bad key":                {drawn(`,"key":"a..b"`, []string{end}, "in next x"), condition.ReasonPath, "key", "path"},
		"approval timeout":       {one(`{"approval":{"role":"boss","timeout":"P1D"}}`, "n else x"), ReasonNoEdge, "nodes.1", `"timeout"`},
		"unasked timeout":        {one(`{"approval":{"role":"boss"}}`, "n else x", "n timeout x"), ReasonEdge, "edges.3.on", `"timeout"`},
	} {
		t.Run(name, func(t *testing.T) {
			d, faults, _ := Check(tree(t, c.text), known{}, Options{Publish: true, Self: "jrn_self", Now: at(t, "2026-11-01T00:00:00Z")})
			require.NotEmpty(t, faults)
			require.Nil(t, d)
			found := false
			for _, e := range faults {
				found = found || e.Reason == c.reason && strings.Join(e.Path, ".") == c.path && strings.Contains(e.Message, c.says)
			}
			require.True(t, found, "%v, paths %v", Faults(faults), faults[0].Path)
		})
	}
}

// TestTells: what nodes tell of by themselves are Headwater's own events.
func TestTells(t *testing.T) {
	for _, s := range []*Step{{Message: &Message{}}, {Points: &Points{}}, {Score: &Score{}}, {Coupon: &Coupon{}}, {UpsertObject: &UpsertObject{}}} {
		require.NotEmpty(t, tells(s))
		for _, name := range tells(s) {
			require.True(t, condition.IsSystemEvent(name), name)
		}
	}
	require.Empty(t, tells(&Step{Exit: true}))
}

// TestCircles: circles that wait for what people do, for others, or for a time are none of
// the faults.
func TestCircles(t *testing.T) {
	const end = `x {"exit":true}`
	wait := func(event string) string { return `w {"wait":{"event":{"event":` + event + `,"timeout":"P1D"}}}` }
	for name, text := range map[string]string{
		"opened":          drawn("", []string{mail("m"), wait(`{"name":"Message Opened"}`), end}, "in next m", "m next w", "w next m", "w timeout x"),
		"by the timeout":  drawn("", []string{mail("m"), wait(`{"name":"Message Sent"}`), end}, "in next m", "m next w", "w next x", "w timeout m"),
		"after a day too": drawn("", []string{mail("m"), wait(`{"name":"Message Sent"}`), `d {"wait":{"duration":"P1D"}}`, end}, "in next m", "m next w", "w next d", "w timeout x", "d next m"),
		"of another":      drawn("", []string{mail("m"), wait(`{"name":"Message Sent","where":[{"path":"templateId","eq":"tpl_other"}]}`), end}, "in next m", "m next w", "w next m", "w timeout x"),
		"points, told of": drawn("", []string{mail("m"), wait(`{"name":"Points Earned"}`), end}, "in next m", "m next w", "w next m", "w timeout x"),
	} {
		_, faults, _ := Check(tree(t, text), known{}, Options{Now: at(t, "2026-11-01T00:00:00Z")})
		require.Empty(t, faults, name)
	}
}

// TestAllFaultsAtOnce: one reading tells of everything.
func TestAllFaultsAtOnce(t *testing.T) {
	_, err := Parse(tree(t, `{"timeZone":"Nowhere","reentry":"SOMETIMES","nodes":[{"id":"a","step":{"wait":{"duration":"x"}}},{"id":"a","step":{}}],"edges":[{"from":"a"}],"more":1}`))
	var faults Faults
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults, 7)
}

// TestWarnings: what may be mended later is no fault in a draft.
func TestWarnings(t *testing.T) {
	text := drawn("", []string{`n {"message":{"templateId":"tpl_draft","channel":"EMAIL","purpose":"marketing"}}`, `p {"message":{"templateId":"tpl_any","channel":"PUSH","purpose":"marketing"}}`,
		`w {"wait":{"until":"2020-01-01T00:00:00Z"}}`}, "in next n", "n next w", "w next p")
	_, faults, warnings := Check(tree(t, text), known{}, Options{Now: at(t, "2026-11-01T00:00:00Z")})
	require.Len(t, faults, 1, "tpl_any is not known")
	var reasons []string
	for _, w := range warnings {
		reasons = append(reasons, w.Reason)
	}
	require.Equal(t, []string{WarnNotPublished, WarnNotConnected, WarnPast}, reasons)
	require.Contains(t, warnings[0].Message, `node "n"`)
}
