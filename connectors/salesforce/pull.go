package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// A page to the host has at most so many records and about so many bytes.
const (
	pageRecords = 500
	pageBytes   = 2 << 20
)

// bulkFrom is from how many records on a first load is a bulk query.
const bulkFrom = 20_000

// Pull implements sdk.Puller.
func (c *connection) Pull(ctx context.Context, from sdk.PullRequest, emit func(sdk.Page) error) error {
	object, err := objectOf(from.Stream)
	if err != nil {
		return err
	}
	return c.again(object, c.pull(ctx, object, from, emit))
}

func (c *connection) pull(ctx context.Context, object string, from sdk.PullRequest, emit func(sdk.Page) error) error {
	p := &pull{connection: c, emit: emit}
	var err error
	if p.shape, err = c.shape(ctx, object); err != nil {
		return err
	}
	if p.columns, p.keep, err = p.shape.columns(from.Fields); err != nil {
		return err
	}
	if p.cursor, err = readCursor(from.Cursor, time.Now()); err != nil {
		return err
	}
	first := from.Cursor == nil && from.Since.IsZero()
	if from.Cursor == nil {
		p.cursor.From = from.Since
	}
	if first {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	if p.cursor.Job != "" {
		return p.bulk(ctx)
	}
	return p.changes(ctx)
}

// pull is one pass over an object.
type pull struct {
	*connection
	shape   *shape
	columns []string
	keep    map[string]bool
	cursor  *cursor
	emit    func(sdk.Page) error
	total   int64
	seen    map[string]int64
}

// begin asks how much there is to load, which decides the way.
func (p *pull) begin(ctx context.Context) error {
	var count struct {
		Total int64 `json:"totalSize"`
	}
	at, err := p.callDated(ctx, http.MethodGet, "/query?"+url.Values{"q": {"SELECT COUNT() FROM " + p.shape.Name}}.Encode(), false, nil, &count)
	if err != nil {
		return err
	}
	p.cursor.Until, p.cursor.Deletions, p.total = at, at, count.Total
	if count.Total < bulkFrom {
		return nil
	}
	return p.startBulk(ctx)
}

// where is the condition for what is still to be read.
func (p *pull) where() string {
	from := soqlTime(p.cursor.From)
	switch {
	case p.cursor.After != "":
		return fmt.Sprintf(" WHERE SystemModstamp > %s OR (SystemModstamp = %s AND Id > %s)", from, from, quote(p.cursor.After))
	case !p.cursor.From.IsZero():
		return " WHERE SystemModstamp >= " + from
	}
	return ""
}

// changes reads what changed, deleted records among it, in a steady order.
func (p *pull) changes(ctx context.Context) error {
	p.seen = map[string]int64{}
	query := "SELECT " + strings.Join(p.columns, ",") + " FROM " + p.shape.Name + p.where() + " ORDER BY SystemModstamp ASC, Id ASC"
	// A first load leaves out what was deleted before anybody here knew of it.
	kind := "/queryAll?"
	if p.cursor.From.IsZero() {
		kind = "/query?"
	}
	next := kind + url.Values{"q": {query}}.Encode()
	for answers := 0; next != ""; answers++ {
		res, err := p.do(ctx, vendorhttp.Call{Method: http.MethodGet, Path: next})
		if err != nil {
			return err
		}
		if answers == 0 {
			// The result is as of now, by the vendor's clock, however long it takes to read.
			p.cursor.Until = dated(res.Header)
		}
		if next, err = p.answer(ctx, res); err != nil {
			return err
		}
	}
	if err := p.deletions(ctx); err != nil {
		return err
	}
	p.cursor.finish(p.seen)
	return p.emit(sdk.Page{Cursor: p.cursor.write(), Total: p.total})
}

// answer hands the records of one answer on as they are read, and returns the path of
// the next. One that is cut off has handed on what came before.
func (p *pull) answer(ctx context.Context, res *vendorhttp.Answer) (next string, err error) {
	defer res.Close()
	dec := json.NewDecoder(res.Body)
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return "", res.Cut()
	}
	var page sdk.Page
	size := 0
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return "", res.Cut()
		}
		switch name {
		case "nextRecordsUrl":
			var link string
			if dec.Decode(&link) != nil {
				return "", res.Cut()
			}
			if next, err = p.link(ctx, link); err != nil {
				return "", err
			}
		case "records":
			if t, err := dec.Token(); err != nil || t != json.Delim('[') {
				return "", res.Cut()
			}
			for dec.More() {
				var row map[string]any
				if dec.Decode(&row) != nil {
					return "", res.Cut()
				}
				res.Refill()
				r := p.shape.record(row, p.keep)
				size += p.add(&page, r)
				if len(page.Records) >= pageRecords || size >= pageBytes {
					if err := p.flush(&page); err != nil {
						return "", err
					}
					size = 0
				}
			}
			if _, err := dec.Token(); err != nil {
				return "", res.Cut()
			}
		default:
			var skip json.RawMessage
			if dec.Decode(&skip) != nil {
				return "", res.Cut()
			}
		}
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('}') {
		return "", res.Cut()
	}
	return next, p.flush(&page)
}

// link is the path of the next page, on the host of this session only.
func (p *pull) link(ctx context.Context, link string) (string, error) {
	s, err := p.signedIn(ctx, nil)
	if err != nil {
		return "", err
	}
	path, err := s.http.Path(link)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(path, "/services/data/") {
		return "", sdk.Broken("Salesforce names a next page that is not of its API; it is asked again")
	}
	return path, nil
}

// add puts a record on a page, moves the cursor behind it, and says about how big it is.
func (p *pull) add(page *sdk.Page, r sdk.Record) int {
	p.cursor.From, p.cursor.After = r.UpdatedAt, r.ID
	if p.cursor.passed(&r) {
		return 0
	}
	p.remember(&r)
	page.Records = append(page.Records, r)
	return weight(r)
}

// settled is how old a change is before another within the same second cannot follow:
// the vendor's times are of whole seconds.
const settled = 2 * time.Second

// remember keeps a record of the overlap from coming again, once its second is over.
func (p *pull) remember(r *sdk.Record) {
	if age := p.cursor.Until.Sub(r.UpdatedAt); age >= settled && age <= overlap && len(p.seen) <= maxSeen {
		p.seen[r.ID] = r.UpdatedAt.Unix()
	}
}

func weight(r sdk.Record) int {
	n := 64
	for name, v := range r.Fields {
		n += len(name) + 16
		if s, ok := v.(string); ok {
			n += len(s)
		}
	}
	return n
}

// flush hands a page on, when there is anything on it.
func (p *pull) flush(page *sdk.Page) error {
	if len(page.Records) == 0 {
		return nil
	}
	page.Cursor, page.Total = p.cursor.write(), p.total
	err := p.emit(*page)
	*page = sdk.Page{}
	return err
}

// deletions tells of records that have left the recycle bin as well, which no query
// shows any more.
func (p *pull) deletions(ctx context.Context) error {
	until := p.cursor.Until.Truncate(time.Minute)
	from := p.cursor.Deletions
	if from.IsZero() {
		from = p.cursor.Until.Add(-overlap)
	}
	from = from.Add(-overlap).Truncate(time.Minute)
	if until.Sub(from) < time.Minute {
		return nil
	}
	var answer struct {
		Records []struct {
			ID      string `json:"id"`
			Deleted string `json:"deletedDate"`
		} `json:"deletedRecords"`
	}
	path := "/sobjects/" + p.shape.Name + "/deleted?" + url.Values{"start": {from.Format(time.RFC3339)}, "end": {until.Format(time.RFC3339)}}.Encode()
	if err := p.call(ctx, http.MethodGet, path, false, nil, &answer); err != nil {
		return err
	}
	var page sdk.Page
	// These are not in the order of the query: the cursor stays where it is.
	place := *p.cursor
	for _, d := range answer.Records {
		r := sdk.Record{ID: d.ID, Deleted: true}
		r.UpdatedAt, _ = parseTime(d.Deleted)
		if p.seen[r.ID] == r.UpdatedAt.Unix() || p.cursor.passed(&r) {
			continue
		}
		p.remember(&r)
		page.Records = append(page.Records, r)
		if len(page.Records) >= pageRecords {
			page.Cursor = place.write()
			if err := p.emit(page); err != nil {
				return err
			}
			page = sdk.Page{}
		}
	}
	p.cursor.Deletions = until
	if len(page.Records) == 0 {
		return nil
	}
	page.Cursor = place.write()
	return p.emit(page)
}
