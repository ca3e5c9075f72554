package hubspot

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// How many records an answer has: of a list, and of a search.
const (
	listPage   = 100
	searchPage = 200
)

// longQuery is how long the names of properties may be in an address; more are asked
// for in a body.
const longQuery = 4000

// Pull implements sdk.Puller.
func (c *connection) Pull(ctx context.Context, from sdk.PullRequest, emit func(sdk.Page) error) error {
	return c.again(from.Stream, c.pull(ctx, from, emit))
}

func (c *connection) pull(ctx context.Context, from sdk.PullRequest, emit func(sdk.Page) error) error {
	p := &pull{connection: c, emit: emit, seen: map[string]int64{}}
	var err error
	if p.object, err = c.objectType(ctx, from.Stream); err != nil {
		return err
	}
	if p.cursor, err = readCursor(from.Cursor, time.Now()); err != nil {
		return err
	}
	var others []string
	for _, s := range standard {
		if s.Stream != from.Stream {
			others = append(others, s.Stream)
		}
	}
	if p.names, p.links, p.keep, err = p.object.columns(from.Fields, others); err != nil {
		return err
	}
	if from.Cursor == nil {
		p.cursor.Listing = from.Since.IsZero()
		if !p.cursor.Listing {
			p.cursor.From = from.Since.UnixMilli()
			p.cursor.Swept = p.cursor.From
		}
	}
	if p.cursor.Listing {
		if err := p.list(ctx); err != nil {
			return err
		}
	}
	return p.changes(ctx)
}

// pull is one pass over an object.
type pull struct {
	*connection
	object *objectType
	names  []string // properties to ask for
	links  []string // streams whose associations to read
	keep   map[string]bool
	cursor *cursor
	emit   func(sdk.Page) error
	begun  time.Time // by the vendor's clock
	seen   map[string]int64
}

// listed is an answer with records.
type listed struct {
	Total   int64    `json:"total"`
	Results []object `json:"results"`
	Paging  struct {
		Next struct {
			After string `json:"after"`
		} `json:"next"`
	} `json:"paging"`
}

// list reads all records in the order of their ids, and leaves what changes
// meanwhile to the search that follows.
func (p *pull) list(ctx context.Context) error {
	for {
		query := url.Values{"limit": {strconv.Itoa(listPage)}}
		names := strings.Join(p.names, ",")
		if len(names) <= longQuery {
			query.Set("properties", names)
		}
		if p.cursor.After != "" {
			query.Set("after", p.cursor.After)
		}
		var answer listed
		at, err := p.callDated(ctx, http.MethodGet, p.object.path()+"?"+query.Encode(), false, nil, &answer)
		if err != nil {
			return err
		}
		if p.begun.IsZero() {
			p.begun = at
		}
		if p.cursor.From == 0 {
			p.cursor.From = at.Add(-overlap).UnixMilli()
			p.cursor.Swept = at.UnixMilli()
		}
		if len(names) > longQuery && len(answer.Results) > 0 {
			if err := p.fill(ctx, answer.Results); err != nil {
				return err
			}
		}
		p.cursor.After = answer.Paging.Next.After
		p.cursor.Listing = p.cursor.After != ""
		if p.cursor.Listing && !numeric(p.cursor.After) {
			return sdk.Broken("HubSpot says where the next page begins in a form that is not documented; it is asked again")
		}
		if err := p.page(ctx, answer.Results, 0); err != nil {
			return err
		}
		if !p.cursor.Listing {
			return nil
		}
	}
}

// fill asks for the properties of records whose names are too many for an address.
func (p *pull) fill(ctx context.Context, objects []object) error {
	inputs := make([]map[string]string, len(objects))
	at := map[string]int{}
	for i := range objects {
		inputs[i] = map[string]string{"id": objects[i].ID}
		at[objects[i].ID] = i
	}
	var answer listed
	if err := p.call(ctx, http.MethodPost, p.object.path()+"/batch/read", false, map[string]any{"inputs": inputs, "properties": p.names}, &answer); err != nil {
		return err
	}
	for _, one := range answer.Results {
		if i, ok := at[one.ID]; ok {
			objects[i] = one
		}
	}
	return nil
}

type filter struct {
	Property string `json:"propertyName"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

// search asks for the next changes. It never pages: what changes meanwhile would move
// to the end and push others over the edge of a page.
func (p *pull) search(ctx context.Context) (*listed, error) {
	from := strconv.FormatInt(p.cursor.From, 10)
	filters := []filter{{p.object.Changed, "GTE", from}}
	sort := p.object.Changed
	switch {
	case p.cursor.Tie != "":
		filters = []filter{{p.object.Changed, "EQ", from}, {"hs_object_id", "GT", p.cursor.Tie}}
		sort = "hs_object_id"
	case p.cursor.Past:
		filters[0].Operator = "GT"
	}
	var answer listed
	at, err := p.callDated(ctx, http.MethodPost, p.object.path()+"/search", false, map[string]any{
		"filterGroups": []any{map[string]any{"filters": filters}}, "properties": p.names, "limit": searchPage,
		"sorts": []any{map[string]string{"propertyName": sort, "direction": "ASCENDING"}},
	}, &answer)
	if p.begun.IsZero() {
		p.begun = at
	}
	return &answer, err
}

// changes reads what changed, in the order of its time. Where an answer is full, the
// changes of its last millisecond may not be all there: they are asked for again.
func (p *pull) changes(ctx context.Context) error {
	for {
		answer, err := p.search(ctx)
		if err != nil {
			return err
		}
		found, total := answer.Results, answer.Total
		full := len(found) >= searchPage
		last := int64(0)
		if len(found) > 0 {
			last = p.object.changed(&found[len(found)-1]).UnixMilli()
		}
		switch {
		case p.cursor.Tie != "" && full:
			p.cursor.Tie = found[len(found)-1].ID
		case p.cursor.Tie != "":
			p.cursor.Tie, p.cursor.Past = "", true
			full = true // more may come after this millisecond
		case !full:
		case p.object.changed(&found[0]).UnixMilli() == last:
			p.cursor.From, p.cursor.Past, p.cursor.Tie = last, false, "0"
			continue
		default:
			for p.object.changed(&found[len(found)-1]).UnixMilli() == last {
				found = found[:len(found)-1]
			}
			p.cursor.From, p.cursor.Past = last, false
		}
		if !full {
			if err := p.page(ctx, found, total); err != nil {
				return err
			}
			break
		}
		if err := p.page(ctx, found, total); err != nil {
			return err
		}
	}
	if err := p.archived(ctx); err != nil {
		return err
	}
	p.cursor.finish(p.begun, p.seen)
	return p.emit(sdk.Page{Cursor: p.cursor.write()})
}

// page hands records on, with their associations and what was merged into them.
func (p *pull) page(ctx context.Context, objects []object, total int64) error {
	var page sdk.Page
	var with []int // places of records that may have associations
	for i := range objects {
		if !numeric(objects[i].ID) {
			return sdk.Broken("HubSpot answered a record without an id; it is asked again")
		}
		records := p.object.records(&objects[i], p.keep)
		if p.cursor.passed(&records[0]) || p.seen[records[0].ID] == records[0].UpdatedAt.UnixMilli() {
			continue
		}
		p.remember(&records[0])
		with = append(with, len(page.Records))
		page.Records = append(page.Records, records...)
	}
	for _, stream := range p.links {
		if err := p.readLinks(ctx, p.object.Stream, stream, page.Records, with); err != nil {
			return err
		}
	}
	if len(page.Records) == 0 && !p.cursor.Listing {
		return nil
	}
	page.Cursor, page.Total = p.cursor.write(), total
	return p.emit(page)
}

// remember keeps a change of the overlap from coming again.
func (p *pull) remember(r *sdk.Record) {
	if p.begun.IsZero() || len(p.seen) > maxSeen {
		return
	}
	if age := p.begun.Sub(r.UpdatedAt); age >= settled && age <= overlap {
		p.seen[r.ID] = r.UpdatedAt.UnixMilli()
	}
}

// Archived records cannot be searched for: their list is looked through each time
// while it is short, else once an hour. Webhooks tell of deletions at once.
const (
	shortSweep = 5
	sweepEvery = time.Hour
)

// archived tells of records that were deleted since the last look.
func (p *pull) archived(ctx context.Context) error {
	if p.cursor.Pages > shortSweep && p.begun.Sub(time.UnixMilli(p.cursor.Swept)) < sweepEvery {
		return nil
	}
	since := time.UnixMilli(p.cursor.Swept).Add(-overlap)
	after, pages := "", 0
	for {
		query := url.Values{"archived": {"true"}, "limit": {strconv.Itoa(listPage)}, "properties": {p.object.Changed}}
		if after != "" {
			query.Set("after", after)
		}
		var answer listed
		if err := p.call(ctx, http.MethodGet, p.object.path()+"?"+query.Encode(), false, nil, &answer); err != nil {
			return err
		}
		pages++
		var page sdk.Page
		for _, one := range answer.Results {
			at, ok := parseTime(one.ArchivedAt)
			r := sdk.Record{ID: one.ID, Deleted: true, UpdatedAt: at}
			if !ok || at.Before(since) || !numeric(one.ID) || p.cursor.passed(&r) {
				continue
			}
			p.remember(&r)
			page.Records = append(page.Records, r)
		}
		if len(page.Records) > 0 {
			page.Cursor = p.cursor.write()
			if err := p.emit(page); err != nil {
				return err
			}
		}
		if after = answer.Paging.Next.After; after == "" {
			break
		}
		if !numeric(after) {
			return sdk.Broken("HubSpot says where the next page begins in a form that is not documented; it is asked again")
		}
	}
	p.cursor.Swept, p.cursor.Pages = p.begun.UnixMilli(), pages
	return nil
}
