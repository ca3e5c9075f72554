package salesforce

import (
	"net/http"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// fault is one error of the REST API. Most answers carry it in an array.
type fault struct {
	status  int
	code    string
	message string
	fields  []string
}

// Error implements error.
func (f *fault) Error() string { return f.code + ": " + f.message }

func failed(status int, code, message string, fields ...string) *fault {
	return &fault{status: status, code: code, message: message, fields: fields}
}

func notFound() *fault {
	return failed(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
}

// write answers with the error. A query's has no fields; a record's has.
func (f *fault) write(w http.ResponseWriter) {
	body := map[string]any{"message": f.message, "errorCode": f.code}
	if f.fields != nil {
		body["fields"] = f.fields
	}
	sandbox.WriteJSON(w, f.status, []any{body})
}

// result is the error as one record of a collection has it.
func (f *fault) result() map[string]any {
	fields := f.fields
	if fields == nil {
		fields = []string{}
	}
	return map[string]any{"success": false, "errors": []any{
		map[string]any{"statusCode": f.code, "message": f.message, "fields": fields},
	}}
}

// answers are the faults of the switches, in the vendor's form.
var answers = map[sandbox.Kind]sandbox.Answer{
	// There is no 429: too many at once is a 403 as a spent day is, told apart by the words.
	sandbox.RateLimited: func(w http.ResponseWriter, _ *http.Request, _ sandbox.Fault) {
		failed(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.").write(w)
	},
	sandbox.QuotaSpent: func(w http.ResponseWriter, _ *http.Request, _ sandbox.Fault) {
		w.Header().Set("Sforce-Limit-Info", "api-usage=100000/100000")
		failed(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.").write(w)
	},
	sandbox.TokenExpired: func(w http.ResponseWriter, _ *http.Request, _ sandbox.Fault) { expired().write(w) },
	// Variant "html" is the page of a proxy before the service.
	sandbox.ServerError: func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) {
		status := f.Status
		if status == 0 {
			status = http.StatusServiceUnavailable
		}
		if f.Variant == "html" {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			w.Write([]byte("<html><body><h1>We are down for maintenance.</h1></body></html>"))
			return
		}
		code, message := "SERVER_UNAVAILABLE", "We are experiencing temporary difficulties. Please try again in a few minutes."
		if status == http.StatusInternalServerError {
			code, message = "UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-12345 (-1234567)"
		}
		failed(status, code, message).write(w)
	},
}

func expired() *fault {
	return failed(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
}
