package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/graph/limit"
)

// Request is a GraphQL request as it was sent.
type Request struct {
	Query         string
	OperationName string
	Variables     map[string]any // numbers are json.Number
	Persisted     string         // hex SHA-256 of the document, from extensions.persistedQuery
}

// wire is the JSON of a request. Members may be null; of another type they are an
// error.
type wire struct {
	Query         *string         `json:"query"`
	OperationName *string         `json:"operationName"`
	Variables     json.RawMessage `json:"variables"`
	Extensions    json.RawMessage `json:"extensions"`
}

// Malformed marks the errors of a request that is not a GraphQL request at all:
// the transport answers 400 whatever the client accepts.
func Malformed(err error) bool {
	var e *core.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Reason {
	case "BAD_JSON", "BAD_REQUEST", "QUERY_MISSING", "BATCH_REFUSED":
		return true
	}
	return false
}

// Decode reads a request from JSON.
func Decode(l limit.Limits, body []byte) (*Request, error) {
	if err := l.JSON(body); err != nil {
		return nil, err
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' {
		return nil, core.Errorf(core.Invalid, "BATCH_REFUSED", "one request holds one operation; send an object, not an array")
	}
	if !utf8.Valid(body) {
		return nil, core.Errorf(core.Invalid, "BAD_JSON", "the body is not UTF-8")
	}
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, core.Errorf(core.Invalid, "BAD_REQUEST", "the request is an object with query and operationName (strings), variables and extensions (objects)")
		}
		return nil, core.Errorf(core.Invalid, "BAD_JSON", "the body is not JSON")
	}
	return w.request()
}

// FromParts reads a request from the parameters of a URL.
func FromParts(l limit.Limits, query, operation, variables, extensions string) (*Request, error) {
	for _, part := range []string{variables, extensions} {
		if err := l.JSON([]byte(part)); err != nil {
			return nil, err
		}
	}
	return wire{Query: &query, OperationName: &operation, Variables: []byte(variables), Extensions: []byte(extensions)}.request()
}

func (w wire) request() (*Request, error) {
	r := &Request{}
	if w.Query != nil {
		r.Query = *w.Query
	}
	if w.OperationName != nil {
		r.OperationName = *w.OperationName
	}
	if err := object(w.Variables, &r.Variables); err != nil {
		return nil, core.Errorf(core.Invalid, "BAD_REQUEST", "variables is an object").At("variables")
	}
	var ext struct {
		PersistedQuery *struct {
			Hash string `json:"sha256Hash"`
		} `json:"persistedQuery"`
	}
	if err := object(w.Extensions, &ext); err != nil {
		return nil, core.Errorf(core.Invalid, "BAD_REQUEST", "extensions is an object").At("extensions")
	}
	if ext.PersistedQuery != nil {
		r.Persisted = ext.PersistedQuery.Hash
	}
	if r.Query == "" && r.Persisted == "" {
		return nil, core.Errorf(core.Invalid, "QUERY_MISSING", "the request has no query").At("query")
	}
	return r, nil
}

// object decodes a member that is an object, null or absent.
func object(text json.RawMessage, into any) error {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || string(text) == "null" {
		return nil
	}
	if text[0] != '{' {
		return errors.New("not an object")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("more than one value")
	}
	return nil
}

// text returns the document's text: as sent, as remembered, or as trusted.
func (e *Engine) text(r *Request) (string, error) {
	if e.opt.Trusted != nil {
		hash := r.Persisted
		if r.Query != "" {
			hash = Hash(r.Query)
		}
		text, ok := e.opt.Trusted[hash]
		if !ok {
			return "", core.Errorf(core.Forbidden, "UNTRUSTED_DOCUMENT", "this server runs the documents it was given only; add the document to its list")
		}
		return text, nil
	}
	if r.Persisted == "" {
		return r.Query, nil
	}
	if r.Query == "" {
		text, ok := e.persisted.Get(r.Persisted)
		if !ok {
			// The exact words are what clients of the persisted-query protocol look for.
			return "", core.Errorf(core.NotFound, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
		}
		return text, nil
	}
	if Hash(r.Query) != r.Persisted {
		return "", core.Errorf(core.Invalid, "PERSISTED_QUERY_MISMATCH", "sha256Hash is not the SHA-256 of the query in lower-case hex")
	}
	return r.Query, nil
}

// remember keeps a valid document for requests that send its hash alone.
func (e *Engine) remember(r *Request, text string) {
	if e.opt.Trusted == nil && r.Persisted != "" {
		e.persisted.Add(r.Persisted, text)
	}
}

// Hash returns the hex SHA-256 of a document.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
