package salesforce

import (
	"bytes"
	"encoding/csv"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// maxUpload is how many bytes a job takes.
const maxUpload = 150 << 20

// job is an ingest or query job of Bulk API 2.0.
type job struct {
	id, operation, state, problem string
	object                        string
	field                         string // of an upsert
	separator                     rune
	crlf                          bool
	created                       time.Time
	polls                         int // how often it still says that it is not done
	data                          []byte

	processed, failed                    int
	header                               []string
	successes, failures, without, result [][]string
	query                                string
}

var separators = map[string]rune{"COMMA": ',', "TAB": '\t', "SEMICOLON": ';', "PIPE": '|', "CARET": '^', "BACKQUOTE": '`'}

func (s *server) bulkRoutes(api func(string, handler)) {
	for _, kind := range []string{"ingest", "query"} {
		api("GET /jobs/"+kind, s.listJobs)
		api("GET /jobs/"+kind+"/{id}", s.withJob(s.getJob))
		api("PATCH /jobs/"+kind+"/{id}", s.withJob(s.setJobState))
		api("DELETE /jobs/"+kind+"/{id}", s.withJob(s.deleteJob))
	}
	api("POST /jobs/ingest", s.createIngest)
	api("PUT /jobs/ingest/{id}/batches", s.withJob(s.upload))
	api("GET /jobs/ingest/{id}/successfulResults", s.withJob(results(func(j *job) ([]string, [][]string) {
		return append([]string{"sf__Id", "sf__Created"}, j.header...), j.successes
	})))
	api("GET /jobs/ingest/{id}/failedResults", s.withJob(results(func(j *job) ([]string, [][]string) {
		return append([]string{"sf__Id", "sf__Error"}, j.header...), j.failures
	})))
	api("GET /jobs/ingest/{id}/unprocessedrecords", s.withJob(results(func(j *job) ([]string, [][]string) {
		return j.header, j.without
	})))
	api("POST /jobs/query", s.createQuery)
	api("GET /jobs/query/{id}/results", s.withJob(s.queryResults))
}

func (s *server) withJob(do func(*job, http.ResponseWriter, *http.Request) *fault) handler {
	return func(w http.ResponseWriter, r *http.Request) *fault {
		j := s.jobs[id18(r.PathValue("id"))]
		if j == nil || strings.Contains(r.URL.Path, "/jobs/query/") != (j.query != "") {
			return notFound()
		}
		return do(j, w, r)
	}
}

// info is a job as the API tells of it.
func (j *job) info(r *http.Request) map[string]any {
	line := "LF"
	if j.crlf {
		line = "CRLF"
	}
	separator := "COMMA"
	for name, c := range separators {
		if c == j.separator {
			separator = name
		}
	}
	version, _ := strconv.ParseFloat(strings.TrimPrefix(r.PathValue("v"), "v"), 64)
	info := map[string]any{
		"id": j.id, "operation": j.operation, "object": j.object, "createdById": userID,
		"createdDate": j.created.Format(restTime), "systemModstamp": j.created.Format(restTime), "state": j.state,
		"concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": version, "lineEnding": line, "columnDelimiter": separator,
	}
	if j.query == "" {
		if j.state == "Open" {
			info["contentUrl"] = strings.TrimPrefix(base(r), "/") + "/jobs/ingest/" + j.id + "/batches"
		}
		if j.field != "" {
			info["externalIdFieldName"] = j.field
		}
	}
	return info
}

func (s *server) newJob(w http.ResponseWriter, in struct{ separator, line string }) (*job, *fault) {
	s.made++
	j := &job{id: makeID("750", s.made), created: s.store.stamp(), separator: ',', crlf: in.line == "CRLF", polls: s.polls}
	if in.separator != "" {
		c, ok := separators[in.separator]
		if !ok {
			return nil, failed(http.StatusBadRequest, "INVALIDJOB", "InvalidJob : Unable to parse columnDelimiter: "+in.separator)
		}
		j.separator = c
	}
	return j, nil
}

func (s *server) createIngest(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[struct {
		Object          string `json:"object"`
		Operation       string `json:"operation"`
		External        string `json:"externalIdFieldName"`
		ContentType     string `json:"contentType"`
		LineEnding      string `json:"lineEnding"`
		ColumnDelimiter string `json:"columnDelimiter"`
	}](r)
	if bad != nil {
		return bad
	}
	t := s.store.tables[strings.ToLower(in.Object)]
	switch {
	case t == nil:
		return failed(http.StatusBadRequest, "INVALIDENTITY", "Entity '"+in.Object+"' is not supported by the Bulk API.")
	case !slices.Contains([]string{"insert", "update", "upsert", "delete", "hardDelete"}, in.Operation):
		return failed(http.StatusBadRequest, "INVALIDJOB", "InvalidJob : Unsupported operation: "+in.Operation)
	case in.Operation == "upsert" && t.lookup(in.External) != nil:
		return failed(http.StatusBadRequest, "INVALIDJOB", "InvalidJob : Field name not found : "+in.External)
	}
	j, bad := s.newJob(w, struct{ separator, line string }{in.ColumnDelimiter, in.LineEnding})
	if bad != nil {
		return bad
	}
	j.operation, j.object, j.field, j.state = in.Operation, t.object.name, in.External, "Open"
	s.jobs[j.id] = j
	sandbox.WriteJSON(w, http.StatusOK, j.info(r))
	return nil
}

// upload takes the one CSV of a job.
func (s *server) upload(j *job, w http.ResponseWriter, r *http.Request) *fault {
	if j.state != "Open" || j.data != nil {
		return failed(http.StatusBadRequest, "INVALIDJOBSTATE", "Found multiple contents for job: <"+j.id+">, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job.")
	}
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/csv") {
		return failed(http.StatusBadRequest, "INVALIDCONTENTTYPE", "Content-Type of the data is text/csv")
	}
	// The client may take its time; others are not to wait for it.
	s.mu.Unlock()
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUpload))
	s.mu.Lock()
	if err != nil {
		return failed(http.StatusBadRequest, "FILE_SIZE_TOO_LARGE", "The data of a job is at most 150 MB")
	}
	j.data = data
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (s *server) getJob(j *job, w http.ResponseWriter, r *http.Request) *fault {
	switch j.state {
	case "UploadComplete", "InProgress":
		if j.polls > 0 {
			j.polls--
			j.state = "InProgress"
			break
		}
		if j.query == "" {
			s.ingest(j)
		} else {
			j.state = "JobComplete"
		}
	}
	info := j.info(r)
	info["jobType"] = "V2Ingest"
	if j.query != "" {
		info["jobType"] = "V2Query"
	}
	info["retries"], info["totalProcessingTime"] = 0, 12
	info["numberRecordsProcessed"] = j.processed
	if j.query == "" {
		info["numberRecordsFailed"], info["apiActiveProcessingTime"], info["apexProcessingTime"] = j.failed, 8, 0
	}
	if j.problem != "" {
		info["errorMessage"] = j.problem
	}
	sandbox.WriteJSON(w, http.StatusOK, info)
	return nil
}

func (s *server) setJobState(j *job, w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[struct {
		State string `json:"state"`
	}](r)
	if bad != nil {
		return bad
	}
	switch {
	case in.State == "UploadComplete" && j.state == "Open":
		if j.state = in.State; j.data == nil {
			j.state, j.problem = "Failed", "InvalidBatch : The job has no data"
		}
	case in.State == "Aborted" && (j.state == "Open" || j.state == "UploadComplete" || j.state == "InProgress"):
		j.state = in.State
		if j.data != nil {
			if records, err := j.reader().ReadAll(); err == nil && len(records) > 0 {
				j.header, j.without = records[0], records[1:]
			}
		}
	default:
		return failed(http.StatusBadRequest, "INVALIDJOBSTATE", "Job state "+j.state+" cannot become "+in.State)
	}
	sandbox.WriteJSON(w, http.StatusOK, j.info(r))
	return nil
}

func (s *server) deleteJob(j *job, w http.ResponseWriter, _ *http.Request) *fault {
	if j.state == "Open" || j.state == "UploadComplete" || j.state == "InProgress" {
		return failed(http.StatusBadRequest, "API_ERROR", "Error encountered when deleting the job because the job is not terminated")
	}
	delete(s.jobs, j.id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) listJobs(w http.ResponseWriter, r *http.Request) *fault {
	list := []map[string]any{}
	for _, j := range s.jobs {
		if strings.HasSuffix(r.URL.Path, "/query") == (j.query != "") {
			list = append(list, j.info(r))
		}
	}
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{"done": true, "records": list, "nextRecordsUrl": nil})
	return nil
}

func (j *job) reader() *csv.Reader {
	reader := csv.NewReader(bytes.NewReader(j.data))
	reader.Comma = j.separator
	return reader
}

// ingest does the work of a job.
func (s *server) ingest(j *job) {
	j.state = "Failed"
	reader := j.reader()
	header, err := reader.Read()
	if err != nil {
		j.problem = "InvalidBatch : Failed to parse the CSV's header"
		return
	}
	j.header = header
	t := s.store.tables[strings.ToLower(j.object)]
	for _, name := range header {
		if _, ok := t.object.field(name); !ok {
			j.problem = "InvalidBatch : Field name not found : " + name
			return
		}
	}
	for {
		record, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			j.problem = "InvalidBatch : Failed to parse CSV: " + err.Error()
			return
		}
		j.processed++
		id, created, bad := s.ingestOne(t, j, header, record)
		if bad != nil {
			j.failed++
			j.failures = append(j.failures, append([]string{id, bad.code + ":" + bad.message + ":" + strings.Join(bad.fields, ",") + " --"}, record...))
			continue
		}
		j.successes = append(j.successes, append([]string{id, strconv.FormatBool(created)}, record...))
	}
	j.state, j.data = "JobComplete", nil
}

// ingestOne writes one line: an empty cell leaves its field alone, #N/A clears it.
func (s *server) ingestOne(t *table, j *job, header, record []string) (id string, created bool, bad *fault) {
	in := map[string]any{}
	for i, name := range header {
		f, _ := t.object.field(name)
		switch {
		case record[i] == "":
		case f.name == "Id":
			id = record[i]
		default:
			in[f.name] = f.fromText(record[i])
		}
	}
	switch j.operation {
	case "insert":
		id, bad = s.store.insert(t, in)
		return id, bad == nil, bad
	case "update":
		bad = s.store.update(t, id, in)
	case "upsert":
		key, _ := in[externalID.name].(string)
		if key == "" {
			return "", false, failed(400, "MISSING_ARGUMENT", externalID.name+" not specified")
		}
		id, created, bad = s.store.upsert(t, key, in)
		return id, created, bad
	case "delete":
		bad = s.store.remove(t, id, "")
	case "hardDelete":
		if bad = s.store.remove(t, id, ""); bad == nil || bad.code == "ENTITY_IS_DELETED" {
			bad = s.store.purge(t, id)
		}
	}
	if bad != nil {
		return id, false, gone(bad)
	}
	return id18(id), false, nil
}

// results answers a CSV of an ingest job that has ended.
func results(pick func(*job) ([]string, [][]string)) func(*job, http.ResponseWriter, *http.Request) *fault {
	return func(j *job, w http.ResponseWriter, _ *http.Request) *fault {
		if j.state != "JobComplete" && j.state != "Failed" && j.state != "Aborted" {
			return failed(http.StatusBadRequest, "INVALIDJOBSTATE", "Job is not in a state that has results")
		}
		header, lines := pick(j)
		writeCSV(w, j, header, lines)
		return nil
	}
}

func writeCSV(w http.ResponseWriter, j *job, header []string, lines [][]string) {
	w.Header().Set("Content-Type", "text/csv; charset=UTF-8")
	out := quoted{w: w, comma: string(j.separator), end: "\n"}
	if j.crlf {
		out.end = "\r\n"
	}
	out.line(header)
	for _, line := range lines {
		out.line(line)
	}
}

// quoted writes a CSV as the vendor does: every cell in quotes.
type quoted struct {
	w          io.Writer
	comma, end string
}

func (q quoted) line(cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		if i > 0 {
			b.WriteString(q.comma)
		}
		b.WriteByte('"')
		b.WriteString(strings.ReplaceAll(cell, `"`, `""`))
		b.WriteByte('"')
	}
	b.WriteString(q.end)
	_, _ = io.WriteString(q.w, b.String()) // into the held answer, which never fails
}

func (s *server) createQuery(w http.ResponseWriter, r *http.Request) *fault {
	in, bad := body[struct {
		Operation       string `json:"operation"`
		Query           string `json:"query"`
		LineEnding      string `json:"lineEnding"`
		ColumnDelimiter string `json:"columnDelimiter"`
	}](r)
	if bad != nil {
		return bad
	}
	if in.Operation != "query" && in.Operation != "queryAll" {
		return failed(http.StatusBadRequest, "INVALIDJOB", "InvalidJob : Unsupported operation: "+in.Operation)
	}
	q, rows, bad := s.prepare(in.Query, in.Operation == "queryAll")
	if bad != nil {
		return failed(http.StatusBadRequest, "API_ERROR", bad.code+": "+bad.message)
	}
	if q.count {
		return failed(http.StatusBadRequest, "FUNCTIONALITY_NOT_ENABLED", "Aggregate Relationships not supported in Bulk Query")
	}
	j, bad := s.newJob(w, struct{ separator, line string }{in.ColumnDelimiter, in.LineEnding})
	if bad != nil {
		return bad
	}
	j.operation, j.object, j.query, j.state, j.processed = in.Operation, q.object.name, in.Query, "UploadComplete", len(rows)
	for _, f := range q.fields {
		j.header = append(j.header, f.name)
	}
	for _, row := range rows {
		line := make([]string, len(q.fields))
		for i, f := range q.fields {
			line[i] = asText(row.get(f.name))
		}
		j.result = append(j.result, line)
	}
	s.jobs[j.id] = j
	sandbox.WriteJSON(w, http.StatusOK, j.info(r))
	return nil
}

// queryResults answers a page; the locator is the text null on the last.
func (s *server) queryResults(j *job, w http.ResponseWriter, r *http.Request) *fault {
	if j.state != "JobComplete" {
		return failed(http.StatusBadRequest, "INVALIDJOBSTATE", "Job is not complete")
	}
	q := r.URL.Query()
	from, size := 0, 50_000
	if text := q.Get("locator"); text != "" && text != "null" {
		n, err := strconv.ParseInt(text, 36, 32)
		if err != nil || int(n) > len(j.result) || n < 0 {
			return failed(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
		}
		from = int(n)
	}
	if n, err := strconv.Atoi(q.Get("maxRecords")); err == nil && n > 0 {
		size = n
	}
	end, locator := min(from+size, len(j.result)), "null"
	if end < len(j.result) {
		locator = strconv.FormatInt(int64(end), 36)
	}
	w.Header().Set("Sforce-Locator", locator)
	w.Header().Set("Sforce-NumberOfRecords", strconv.Itoa(end-from))
	writeCSV(w, j, j.header, j.result[from:end])
	return nil
}
