package salesforce

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// bulkPage is how many records one answer of a bulk query has.
const bulkPage = 10_000

// startBulk makes a query job for a first load. The job is told to the host at once:
// a restart finds it again.
func (p *pull) startBulk(ctx context.Context) error {
	var job struct {
		ID string `json:"id"`
	}
	in := map[string]string{"operation": "query", "query": "SELECT " + strings.Join(p.columns, ",") + " FROM " + p.shape.Name}
	if err := p.call(ctx, http.MethodPost, "/jobs/query", true, in, &job); err != nil {
		return err
	}
	if !isID(job.ID) {
		return sdk.Broken("Salesforce made a job without an id; it is asked again")
	}
	p.cursor.Job = job.ID
	return p.emit(sdk.Page{Cursor: p.cursor.write(), Total: p.total})
}

// isID says that something looks like an id, before it becomes part of a path.
func isID(s string) bool {
	return (len(s) == 15 || len(s) == 18) && strings.IndexFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}) < 0
}

// bulk waits for the job and reads its result, page by page.
func (p *pull) bulk(ctx context.Context) error {
	if !isID(p.cursor.Job) {
		return sdk.CursorLost("the place to go on from was not written by this connector: begin again").Because("UNREADABLE")
	}
	path := "/jobs/query/" + p.cursor.Job
	if err := p.finished(ctx, path); err != nil {
		return jobGone(err)
	}
	for {
		query := url.Values{"maxRecords": {strconv.Itoa(bulkPage)}}
		if p.cursor.Locator != "" {
			query.Set("locator", p.cursor.Locator)
		}
		res, err := p.do(ctx, vendorhttp.Call{Method: http.MethodGet, Path: path + "/results", Query: query, Header: http.Header{"Accept": {"text/csv"}}})
		if err != nil {
			return jobGone(err)
		}
		locator := res.Header.Get("Sforce-Locator")
		if locator == "null" || locator == "" {
			locator = ""
		}
		if err := p.csv(res, locator); err != nil {
			return err
		}
		if locator == "" {
			return nil
		}
	}
}

// jobGone is what a job that is no longer known, or came to nothing, means to a pull:
// only a new one helps.
func jobGone(err error) error {
	var r *refusal
	if reason := sdk.AsFault(err).Reason; reason == "JOB_FAILED" || reason == "JOB_ABORTED" {
		return sdk.CursorLost("the bulk query of this load failed at Salesforce, or somebody aborted it: begin again. Setup, Bulk Data Load Jobs, says why").Because(reason)
	}
	if errors.As(err, &r) && (r.code == "NOT_FOUND" || r.code == "INVALID_QUERY_LOCATOR" || r.code == "INVALIDJOBSTATE") {
		return sdk.CursorLost("Salesforce has forgotten the bulk query of this load, as it does after seven days: begin again").Because("JOB_GONE")
	}
	return err
}

// csv reads one answer. A page of it that came whole may come again when the rest is
// cut off: the place to go on from is moved only at its end.
func (p *pull) csv(res *vendorhttp.Answer, locator string) error {
	defer res.Close()
	reader := csv.NewReader(res.Body)
	reader.ReuseRecord = true
	header, err := reader.Read()
	if err != nil {
		return res.Cut()
	}
	names := append([]string(nil), header...)
	place := p.cursor.write()
	var page sdk.Page
	size := 0
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return res.Cut()
		}
		res.Refill()
		row := make(map[string]any, len(names))
		for i, name := range names {
			if f := p.shape.byName[name]; f != nil {
				row[name] = f.text(strings.Clone(cells[i]))
			}
		}
		r := p.shape.record(row, p.keep)
		page.Records = append(page.Records, r)
		size += weight(r)
		if len(page.Records) >= pageRecords || size >= pageBytes {
			page.Cursor, page.Total = place, p.total
			if err := p.emit(page); err != nil {
				return err
			}
			page, size = sdk.Page{}, 0
		}
	}
	if p.cursor.Locator = locator; locator == "" {
		p.cursor.finish(map[string]int64{})
	}
	page.Cursor, page.Total = p.cursor.write(), p.total
	return p.emit(page)
}

// finished waits until a job is done: often at first, then less.
func (c *connection) finished(ctx context.Context, path string) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		var job struct {
			State string `json:"state"`
		}
		if err := c.call(ctx, http.MethodGet, path, false, nil, &job); err != nil {
			return err
		}
		switch job.State {
		case "JobComplete":
			return nil
		case "Failed":
			return sdk.RetryAfter(time.Minute, "a bulk job failed at Salesforce; it is made again. Setup, Bulk Data Load Jobs, says why").Because("JOB_FAILED")
		case "Aborted":
			return sdk.RetryAfter(time.Minute, "somebody aborted a bulk job at Salesforce; it is made again").Because("JOB_ABORTED")
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
