package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Request is one line of the journal. It has no query and no body: they may hold
// what nobody should keep.
type Request struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Status int       `json:"status"` // 0: no answer went out
}

// Journal keeps the last requests to an emulator.
type Journal struct {
	mu   sync.Mutex
	last []Request
}

// journalSize is how many requests a journal keeps.
const journalSize = 2000

func (j *Journal) add(r Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.last) >= 2*journalSize {
		j.last = append(j.last[:0], j.last[journalSize:]...)
	}
	j.last = append(j.last, r)
}

// Add notes a request of an emulator whose protocol is not HTTP; [Serve] notes those of others.
func (j *Journal) Add(r Request) { j.add(r) }

// List returns the last requests, the newest at the end.
func (j *Journal) List() []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Request{}, j.last[max(len(j.last)-journalSize, 0):]...)
}

// Clear forgets all requests.
func (j *Journal) Clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = nil
}

// controls is the control API of an emulator.
func controls(e Emulator) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(w http.ResponseWriter, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			result, err := do(w, r)
			if err != nil {
				WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
			WriteJSON(w, http.StatusOK, result)
		})
	}
	desk := e.Desk
	listed := func(err error) (any, error) { return desk.Faults.List(), err }
	handle("GET /_sandbox/faults", func(http.ResponseWriter, *http.Request) (any, error) { return listed(nil) })
	handle("DELETE /_sandbox/faults", func(http.ResponseWriter, *http.Request) (any, error) { return listed(desk.Faults.Replace()) })
	handle("PUT /_sandbox/faults", func(w http.ResponseWriter, r *http.Request) (any, error) {
		faults, err := read[[]Fault](w, r)
		if err != nil {
			return nil, err
		}
		return listed(desk.Faults.Replace(faults...))
	})
	handle("POST /_sandbox/faults", func(w http.ResponseWriter, r *http.Request) (any, error) {
		faults, err := read[[]Fault](w, r)
		if err != nil {
			return nil, err
		}
		return listed(desk.Faults.Add(faults...))
	})
	handle("POST /_sandbox/clock", func(w http.ResponseWriter, r *http.Request) (any, error) {
		in, err := read[struct {
			Advance string `json:"advance"`
			Freeze  *bool  `json:"freeze"`
		}](w, r)
		if err != nil {
			return nil, err
		}
		if in.Advance != "" {
			d, err := time.ParseDuration(in.Advance)
			if err != nil {
				return nil, fmt.Errorf(`advance is a duration such as "90s" or "24h", not %q`, in.Advance)
			}
			desk.Clock.Advance(d)
		}
		if in.Freeze != nil {
			desk.Clock.Freeze(*in.Freeze)
		}
		return map[string]time.Time{"now": desk.Clock.Now()}, nil
	})
	handle("PUT /_sandbox/limits", func(w http.ResponseWriter, r *http.Request) (any, error) {
		in, err := read[struct {
			Off    bool   `json:"off"`
			Window string `json:"window"`
			Limit  int    `json:"limit"`
		}](w, r)
		if err != nil {
			return nil, err
		}
		desk.Limits.Off(in.Off)
		if in.Window != "" && !desk.Limits.Set(in.Window, in.Limit) {
			return nil, fmt.Errorf("no window is called %q", in.Window)
		}
		return map[string]bool{"off": in.Off}, nil
	})
	handle("PUT /_sandbox/webhook", func(w http.ResponseWriter, r *http.Request) (any, error) {
		in, err := read[struct {
			URL string `json:"url"`
		}](w, r)
		if err != nil {
			return nil, err
		}
		desk.Outbox.SetURL(in.URL)
		return in, nil
	})
	handle("POST /_sandbox/webhook/flush", func(http.ResponseWriter, *http.Request) (any, error) { return desk.Outbox.Flush(), nil })
	handle("POST /_sandbox/seed", func(w http.ResponseWriter, r *http.Request) (any, error) {
		in, err := read[struct {
			Count int `json:"count"`
		}](w, r)
		if err != nil {
			return nil, err
		}
		if e.Seed == nil {
			return nil, errors.New("this emulator has no seed")
		}
		return in, e.Seed(in.Count)
	})
	handle("POST /_sandbox/reset", func(http.ResponseWriter, *http.Request) (any, error) {
		if err := desk.Faults.Replace(); err != nil {
			return nil, err
		}
		desk.Limits.Forget()
		desk.Journal.Clear()
		if e.Reset != nil {
			e.Reset()
		}
		return map[string]bool{"reset": true}, nil
	})
	handle("GET /_sandbox/requests", func(http.ResponseWriter, *http.Request) (any, error) { return desk.Journal.List(), nil })
	handle("DELETE /_sandbox/requests", func(http.ResponseWriter, *http.Request) (any, error) {
		desk.Journal.Clear()
		return []Request{}, nil
	})
	for pattern, do := range e.Controls {
		method, name, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /_sandbox/"+name, do)
	}
	return mux
}

// read decodes a control request; a field that nobody knows is refused.
func read[T any](w http.ResponseWriter, r *http.Request) (T, error) {
	var in T
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return in, fmt.Errorf("the body is JSON as the documentation says: %w", err)
	}
	return in, nil
}

// WriteJSON answers with a status and a JSON body.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
	}
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // the client has gone; nobody is left to tell
}
