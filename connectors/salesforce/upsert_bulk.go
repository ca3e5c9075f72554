package salesforce

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// bulkItems is from how many items on a bulk job pays.
const bulkItems = 1000

// bulk writes items by a Bulk API 2.0 job. Its lines come back in no order: they are
// known again by the key, so that a key that comes twice is written last by a second
// job.
func (w *writer) bulk(ctx context.Context, r route, items []int) error {
	last := map[string]int{}
	var again []int
	for _, i := range items {
		key := w.key(r, i)
		if _, ok := last[key]; ok {
			again = append(again, i)
			continue
		}
		last[key] = i
	}
	if err := w.job(ctx, r, last); err != nil {
		w.fail(items, err)
		return err
	}
	w.done += len(last)
	return w.chunks(ctx, r, again, w.collection)
}

// job makes a job, sends its lines, waits, and reads what became of each.
func (w *writer) job(ctx context.Context, r route, items map[string]int) error {
	in := map[string]string{"object": w.shape.Name, "operation": r.way, "contentType": "CSV", "lineEnding": "LF"}
	column := "Id"
	if r.match != "" {
		in["externalIdFieldName"], column = r.match, r.match
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := w.call(ctx, http.MethodPost, "/jobs/ingest", true, in, &made); err != nil {
		return err
	}
	if !isID(made.ID) {
		return sdk.Broken("Salesforce made a job without an id; it is asked again")
	}
	path := "/jobs/ingest/" + made.ID
	if err := w.upload(ctx, path, column, items); err != nil {
		w.abort(path)
		return err
	}
	if err := w.call(ctx, http.MethodPatch, path, true, map[string]string{"state": "UploadComplete"}, nil); err != nil {
		return err
	}
	if err := w.finished(ctx, path); err != nil {
		return unfinished(err)
	}
	waiting := maps.Clone(items)
	at := time.Now().UTC()
	if err := w.told(ctx, path+"/successfulResults", column, waiting, func(i int, id, created string) {
		w.results[i] = outcome{ID: id, Success: true, Created: created == "true"}.result(at)
	}); err != nil {
		return err
	}
	if err := w.told(ctx, path+"/failedResults", column, waiting, func(i int, _, text string) {
		w.results[i] = sdk.Result{Fault: lineError(text).of(at)}
	}); err != nil {
		return err
	}
	for _, i := range waiting {
		w.results[i] = sdk.Result{Fault: sdk.RetryAfter(time.Minute, "the bulk job ended before it came to this record").Because("UNPROCESSED")}
	}
	return nil
}

// unfinished is what waiting in vain for a job that writes means: it may go on.
func unfinished(err error) error {
	switch f := sdk.AsFault(err); {
	case f.Reason == "JOB_FAILED" || f.Reason == "JOB_ABORTED":
		return err
	case f.Kind == sdk.FaultQuota || f.Kind == sdk.FaultUnauthorized:
		return err // before anything of the job was done, or the host is to stop anyway
	}
	return sdk.UnknownOutcome("the bulk job was made, but how it ended is not known")
}

// abort gives a job up whose data never came whole. It is done in a context of its
// own: the caller's may have ended.
func (c *connection) abort(path string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// A job that stays open is harmless; the vendor removes it after a week.
	_ = c.call(ctx, http.MethodPatch, path, true, map[string]string{"state": "Aborted"}, nil)
}

// upload sends the lines as they are made; no more than one is in memory.
func (w *writer) upload(ctx context.Context, path, column string, items map[string]int) error {
	// A session that ended would be met in the middle of the body, which is sent once.
	if err := w.call(ctx, http.MethodGet, path, false, nil, nil); err != nil {
		return err
	}
	reader, pipe := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		pipe.CloseWithError(w.lines(pipe, column, items))
	}()
	res, err := w.do(ctx, vendorhttp.Call{
		Method: http.MethodPut, Path: path + "/batches", Stream: reader, Header: http.Header{"Content-Type": {"text/csv"}},
	})
	reader.CloseWithError(io.ErrClosedPipe)
	<-written
	if err != nil {
		return err
	}
	res.Close()
	return nil
}

func (w *writer) lines(to io.Writer, column string, items map[string]int) error {
	names := map[string]bool{column: true}
	for _, i := range items {
		for name := range w.items[i].Fields {
			names[name] = true
		}
	}
	if column != "Id" {
		delete(names, "Id")
	}
	header := slices.Sorted(maps.Keys(names))
	out := csv.NewWriter(to)
	if err := out.Write(header); err != nil {
		return err
	}
	line := make([]string, len(header))
	for _, i := range items {
		for n, name := range header {
			line[n] = ""
			if v, ok := w.items[i].Fields[name]; ok {
				line[n], _ = cell(v)
			}
			if name == "Id" {
				line[n] = w.items[i].ID
			}
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// told reads one of a job's results; tell gets each line's item, the id, and the
// second column, which says what happened.
func (w *writer) told(ctx context.Context, path, column string, waiting map[string]int, tell func(i int, id, what string)) error {
	res, err := w.do(ctx, vendorhttp.Call{Method: http.MethodGet, Path: path, Header: http.Header{"Accept": {"text/csv"}}})
	if err != nil {
		return unfinished(err)
	}
	defer res.Close()
	unread := sdk.UnknownOutcome("the bulk job is done, but its results came broken")
	reader := csv.NewReader(res.Body)
	header, err := reader.Read()
	if err != nil {
		return unread
	}
	at := slices.Index(header, column)
	if at < 0 || len(header) < 2 {
		return unread
	}
	for {
		line, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return unread
		}
		res.Refill()
		key := line[at]
		if column != "Id" {
			key = strings.ToLower(key)
		}
		if i, ok := waiting[key]; ok {
			delete(waiting, key)
			tell(i, line[0], line[1])
		}
	}
}

// lineError reads "CODE:what happened:Field1,Field2 --".
func lineError(text string) apiError {
	e := apiError{}
	e.Code, text, _ = strings.Cut(text, ":")
	if at := strings.LastIndexByte(text, ':'); at >= 0 {
		for name := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(text[at+1:]), "--"), ",") {
			if name = strings.TrimSpace(name); name != "" {
				e.Fields = append(e.Fields, name)
			}
		}
	}
	return e
}
