package twilio

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// service is one service of Verify.
type service struct {
	sid, name string
	length    int
	created   time.Time
}

// verification is one proof of an address that was asked for.
type verification struct {
	sid, service, to, channel, status, code string
	created, updated                        time.Time
	sent                                    []object
	checks                                  int
}

// How often a code is sent and tried, and how long it holds.
const (
	maxAttempts = 5
	codeHolds   = 10 * time.Minute
)

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (v *service) present(r *http.Request) object {
	self := sandbox.BaseURL(r) + "/v2/Services/" + v.sid
	return object{
		"sid": v.sid, "account_sid": AccountSID, "friendly_name": v.name, "code_length": v.length, "lookup_enabled": false, "psd2_enabled": false,
		"skip_sms_to_landlines": false, "dtmf_input_required": true, "tts_name": nil, "do_not_share_warning_enabled": false,
		"custom_code_enabled": false, "push": nil, "totp": nil, "default_template_sid": nil, "whatsapp": nil, "passkeys": nil,
		"verify_event_subscription_enabled": false, "date_created": iso(v.created), "date_updated": iso(v.created), "url": self,
		"links": object{"verifications": self + "/Verifications", "verification_checks": self + "/VerificationCheck"},
	}
}

func (s *Server) createService(r *http.Request) (int, any, *fault) {
	name := r.PostForm.Get("FriendlyName")
	if name == "" {
		return 0, nil, refused(60200, "Invalid parameter: FriendlyName")
	}
	v := &service{sid: "VA" + token(), name: name, length: 6, created: s.now()}
	if text := r.PostForm.Get("CodeLength"); text != "" {
		if _, err := fmt.Sscan(text, &v.length); err != nil || v.length < 4 || v.length > 10 {
			return 0, nil, refused(60200, "Invalid parameter: CodeLength")
		}
	}
	s.services[v.sid] = v
	return http.StatusCreated, v.present(r), nil
}

func (s *Server) getService(r *http.Request) (int, any, *fault) {
	v := s.services[r.PathValue("service")]
	if v == nil {
		return 0, nil, notFound(r)
	}
	return http.StatusOK, v.present(r), nil
}

func (s *Server) start(r *http.Request) (int, any, *fault) {
	owner := s.services[r.PathValue("service")]
	if owner == nil {
		return 0, nil, notFound(r)
	}
	to, channel := r.PostForm.Get("To"), r.PostForm.Get("Channel")
	if !slices.Contains([]string{"sms", "call", "email", "whatsapp"}, channel) {
		return 0, nil, refused(60200, "Invalid parameter: Channel")
	}
	if channel == "email" && !strings.Contains(to, "@") || channel != "email" && !numberForm.MatchString(to) {
		return 0, nil, refused(60200, "Invalid parameter `To`")
	}
	now := s.now()
	v := s.open(owner.sid, to)
	if v == nil {
		v = &verification{sid: "VE" + token(), service: owner.sid, to: to, status: "pending", created: now, code: digits(owner.length)}
		s.verifications[v.sid] = v
	}
	if len(v.sent) >= maxAttempts {
		return 0, nil, &fault{Status: http.StatusTooManyRequests, Code: 60203, Message: "Max send attempts reached", Retry: 600}
	}
	v.channel, v.updated = channel, now
	v.sent = append(v.sent, object{"attempt_sid": "VL" + token(), "channel": channel, "time": iso(now)})
	return http.StatusCreated, v.present(r), nil
}

// open is the verification of an address that still waits for its code.
func (s *Server) open(owner, to string) *verification {
	for _, v := range s.verifications {
		if v.service == owner && v.to == to && v.status == "pending" && s.now().Sub(v.created) < codeHolds {
			return v
		}
	}
	return nil
}

// digits is a random code.
func digits(n int) string {
	var b strings.Builder
	for range n {
		d, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			d = big.NewInt(0) // the system's source never fails
		}
		b.WriteString(d.String())
	}
	return b.String()
}

func (v *verification) present(r *http.Request) object {
	return object{
		"sid": v.sid, "service_sid": v.service, "account_sid": AccountSID, "to": v.to, "channel": v.channel, "status": v.status,
		"valid": v.status == "approved", "lookup": object{}, "amount": nil, "payee": nil, "send_code_attempts": v.sent, "sna": nil,
		"date_created": iso(v.created), "date_updated": iso(v.updated),
		"url": sandbox.BaseURL(r) + "/v2/Services/" + v.service + "/Verifications/" + v.sid,
	}
}

// verificationOf finds by the sid of the path, or by the address.
func (s *Server) verificationOf(r *http.Request) (*verification, *fault) {
	name, owner := r.PathValue("verification"), r.PathValue("service")
	if v := s.verifications[name]; v != nil && v.service == owner {
		return v, nil
	}
	if v := s.open(owner, name); v != nil {
		return v, nil
	}
	return nil, notFound(r)
}

func (s *Server) getVerification(r *http.Request) (int, any, *fault) {
	v, problem := s.verificationOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	return http.StatusOK, v.present(r), nil
}

func (s *Server) updateVerification(r *http.Request) (int, any, *fault) {
	v, problem := s.verificationOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	status := r.PostForm.Get("Status")
	if status != "canceled" && status != "approved" {
		return 0, nil, refused(60200, "Invalid parameter: Status")
	}
	v.status, v.updated = status, s.now()
	return http.StatusOK, v.present(r), nil
}

func (s *Server) check(r *http.Request) (int, any, *fault) {
	owner := r.PathValue("service")
	v := s.verifications[r.PostForm.Get("VerificationSid")]
	if v == nil {
		v = s.open(owner, r.PostForm.Get("To"))
	}
	if v == nil || v.service != owner || v.status != "pending" {
		return 0, nil, notFound(r)
	}
	v.checks++
	if v.checks > maxAttempts {
		return 0, nil, &fault{Status: http.StatusTooManyRequests, Code: 60202, Message: "Max check attempts reached", Retry: 600}
	}
	if r.PostForm.Get("Code") == v.code {
		v.status = "approved"
	}
	v.updated = s.now()
	return http.StatusCreated, object{
		"sid": v.sid, "service_sid": v.service, "account_sid": AccountSID, "to": v.to, "channel": v.channel, "status": v.status,
		"valid": v.status == "approved", "amount": nil, "payee": nil, "sna_attempts_error_codes": []object{},
		"date_created": iso(v.created), "date_updated": iso(v.updated),
	}, nil
}

// code is the control that shows what was sent to an address.
func (s *Server) code(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last *verification
	for _, v := range s.verifications {
		if v.to == r.URL.Query().Get("to") && (last == nil || v.created.After(last.created)) {
			last = v
		}
	}
	if last == nil {
		sandbox.WriteJSON(w, http.StatusBadRequest, object{"error": "nothing was sent there"})
		return
	}
	sandbox.WriteJSON(w, http.StatusOK, object{"code": last.code})
}
