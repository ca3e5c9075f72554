package hubspot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// fault is one error of the API.
type fault struct {
	status   int
	category string
	message  string
	context  map[string][]string
	errors   []any
}

// Error implements error.
func (f *fault) Error() string { return f.category + ": " + f.message }

func failed(status int, category, message string) *fault {
	return &fault{status: status, category: category, message: message}
}

func invalid(format string, args ...any) *fault {
	return failed(http.StatusBadRequest, "VALIDATION_ERROR", fmt.Sprintf(format, args...))
}

func notFound() *fault {
	return failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "Object not found.  objectId are usually numeric.")
}

func correlation() string {
	t := fmt.Sprintf("%032x", time.Now().UnixNano())
	return strings.Join([]string{t[:8], t[8:12], t[12:16], t[16:20], t[20:]}, "-")
}

func (f *fault) write(w http.ResponseWriter) {
	body := map[string]any{"status": "error", "message": f.message, "correlationId": correlation(), "category": f.category}
	if f.context != nil {
		body["context"] = f.context
	}
	if f.errors != nil {
		body["errors"] = f.errors
	}
	sandbox.WriteJSON(w, f.status, body)
}

// inBatch is the error as one of the errors of a 207. A trace is what the caller
// gave to know its input again by.
func (f *fault) inBatch(trace string) map[string]any {
	context := map[string][]string{}
	for name, values := range f.context {
		context[name] = values
	}
	if trace != "" {
		context["objectWriteTraceId"] = []string{trace}
	}
	errors := f.errors
	if errors == nil {
		errors = []any{}
	}
	return map[string]any{"status": "error", "category": f.category, "message": f.message, "context": context, "errors": errors, "links": map[string]string{}}
}

// badValue is the vendor's unusual form of an error about a property: JSON in text.
func badValue(name, code, message string) *fault {
	type detail struct {
		IsValid   bool   `json:"isValid"`
		Message   string `json:"message"`
		Error     string `json:"error"`
		Name      string `json:"name"`
		Localized string `json:"localizedErrorMessage"`
	}
	text, _ := json.Marshal([]detail{{false, message, code, name, message}}) // strings always encode
	f := invalid("Property values were not valid: %s", text)
	f.errors = []any{map[string]any{"message": message, "code": code, "context": map[string][]string{"propertyName": {name}}}}
	return f
}

// answers are the faults of the switches, in the vendor's form.
var answers = map[sandbox.Kind]sandbox.Answer{
	// Variant "secondly" is the limit of search, which names no policy.
	sandbox.RateLimited: func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) {
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		if f.Variant == "secondly" {
			limited(w, "secondly")
			return
		}
		limited(w, "ten")
	},
	sandbox.QuotaSpent: func(w http.ResponseWriter, _ *http.Request, _ sandbox.Fault) { limited(w, "day") },
	sandbox.TokenExpired: func(w http.ResponseWriter, _ *http.Request, _ sandbox.Fault) {
		expired(time.Now().Add(-5 * time.Minute)).write(w)
	},
	// Variant "html" is the page of a proxy before the service.
	sandbox.ServerError: func(w http.ResponseWriter, _ *http.Request, f sandbox.Fault) {
		status := f.Status
		if status == 0 {
			status = http.StatusBadGateway
		}
		if f.Variant == "html" {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			w.Write([]byte("<html><head><title>Attention Required!</title></head></html>"))
			return
		}
		sandbox.WriteJSON(w, status, map[string]any{"status": "error", "message": "internal error", "correlationId": correlation()})
	},
}

// limited answers 429 for a window of the limiter.
func limited(w http.ResponseWriter, window string) {
	body := map[string]any{"status": "error", "errorType": "RATE_LIMIT", "correlationId": correlation(), "category": "RATE_LIMITS"}
	switch window {
	case "ten":
		body["message"], body["policyName"] = "You have reached your ten_secondly_rolling limit.", "TEN_SECONDLY_ROLLING"
		body["groupName"] = "publicapi:crm:" + portal
	case "day":
		body["message"], body["policyName"] = "You have reached your daily limit.", "DAILY"
		w.Header().Set("X-HubSpot-RateLimit-Daily-Remaining", "0")
	default:
		body["message"] = "You have reached your secondly limit."
	}
	sandbox.WriteJSON(w, http.StatusTooManyRequests, body)
}

func expired(at time.Time) *fault {
	f := failed(http.StatusUnauthorized, "EXPIRED_AUTHENTICATION",
		fmt.Sprintf("The OAuth token used to make this call expired %d minute(s) ago.", int(time.Since(at).Minutes())))
	f.context = map[string][]string{"expire time": {at.UTC().Format(time.RFC3339)}}
	return f
}
