package klaviyo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// How many profiles one request may change.
const (
	maxSubscribe   = 1000
	maxUnsubscribe = 100
	maxSuppress    = 100
)

// choice is what is asked for one channel.
type choice struct {
	Consent     string  `json:"consent"`
	ConsentedAt *string `json:"consented_at"`
}

// subscriber is one profile of a subscription job.
type subscriber struct {
	Type       string  `json:"type"`
	ID         *string `json:"id"`
	Attributes struct {
		Email         *string `json:"email"`
		Phone         *string `json:"phone_number"`
		Subscriptions *struct {
			Email struct {
				Marketing *choice `json:"marketing"`
			} `json:"email"`
			SMS struct {
				Marketing     *choice `json:"marketing"`
				Transactional *choice `json:"transactional"`
			} `json:"sms"`
		} `json:"subscriptions"`
	} `json:"attributes"`
}

// subscription is the document of both subscription jobs.
type subscription struct {
	Data struct {
		Type       string `json:"type"`
		Attributes struct {
			Source     *string `json:"custom_source"`
			Historical *bool   `json:"historical_import"`
			Profiles   struct {
				Data []subscriber `json:"data"`
			} `json:"profiles"`
		} `json:"attributes"`
		Relationships struct {
			List struct {
				Data struct {
					ID string `json:"id"`
				} `json:"data"`
			} `json:"list"`
		} `json:"relationships"`
	} `json:"data"`
}

// readSubscription reads and checks a document; state is SUBSCRIBED or UNSUBSCRIBED.
func (s *Server) readSubscription(body []byte, kind, state string, most int) (subscription, *list, *fault) {
	var in subscription
	if problem := decode(body, &in); problem != nil {
		return in, nil, problem
	}
	if in.Data.Type != kind {
		return in, nil, invalid("The resource type must be `"+kind+"`.", "/data/type")
	}
	people := in.Data.Attributes.Profiles.Data
	if len(people) == 0 || len(people) > most {
		return in, nil, invalid(fmt.Sprintf("From 1 to %d profiles are taken at once.", most), "/data/attributes/profiles/data")
	}
	var l *list
	if id := in.Data.Relationships.List.Data.ID; id != "" {
		if l = s.lists[id]; l == nil {
			return in, nil, notFound("A list with the given id does not exist.", "/data/relationships/list/data/id")
		}
	}
	for i, each := range people {
		at := fmt.Sprintf("/data/attributes/profiles/data/%d/attributes", i)
		a := each.Attributes
		switch {
		case each.Type != "profile":
			return in, nil, invalid("The resource type must be `profile`.", at)
		case a.Subscriptions == nil:
			return in, nil, invalid("'subscriptions' is a required field for the resource 'profile'.", at+"/subscriptions")
		case a.Email == nil && a.Phone == nil:
			return in, nil, invalid("One of `email`, `phone_number` is required.", at)
		}
		for name, value := range map[string]*string{"email": a.Email, "phone_number": a.Phone} {
			if value == nil {
				continue
			}
			if problem := checkField(name, *value, at[:len(at)-len("/attributes")]); problem != nil {
				return in, nil, problem
			}
		}
		for _, c := range []*choice{a.Subscriptions.Email.Marketing, a.Subscriptions.SMS.Marketing, a.Subscriptions.SMS.Transactional} {
			if c == nil {
				continue
			}
			if c.Consent != state {
				return in, nil, invalid("'consent' must be "+state+".", at+"/subscriptions")
			}
			if historical := in.Data.Attributes.Historical; historical != nil && *historical && c.ConsentedAt == nil {
				return in, nil, invalid("'consented_at' is required when 'historical_import' is true.", at+"/subscriptions")
			}
		}
	}
	return in, l, nil
}

func (s *Server) subscribe(_ *http.Request, body []byte) (int, any, *fault) {
	in, l, problem := s.readSubscription(body, "profile-subscription-bulk-create-job", "SUBSCRIBED", maxSubscribe)
	if problem != nil {
		return 0, nil, problem
	}
	historical := in.Data.Attributes.Historical != nil && *in.Data.Attributes.Historical
	people := in.Data.Attributes.Profiles.Data
	s.enqueue("subscribe", len(people), func(*job) {
		for _, each := range people {
			if p := s.subscriberProfile(each); p != nil {
				s.agree(p, each, l, historical)
			}
		}
	})
	return http.StatusAccepted, nil, nil
}

// agree subscribes a profile. It lifts the person's own unsubscribe, complaint and
// manual suppression, as the vendor does: only a bounce stays. On a list with double
// opt-in nothing changes before the person confirms.
func (s *Server) agree(p *profile, each subscriber, l *list, historical bool) {
	if l != nil && l.optIn == "double_opt_in" && !historical {
		return
	}
	wants := each.Attributes.Subscriptions
	at := func(c *choice) time.Time {
		if c.ConsentedAt != nil {
			if t, err := time.Parse(time.RFC3339, *c.ConsentedAt); err == nil {
				return t
			}
		}
		return s.now()
	}
	if c := wants.Email.Marketing; c != nil && p.fields["email"] != nil {
		lifted := p.lift(unsubscribe, spamComplaint, userSuppressed)
		if p.email.State != "SUBSCRIBED" || lifted {
			s.tell(p, "Subscribed to Email Marketing", object{"method": "API"})
		}
		p.email = consent{State: "SUBSCRIBED", At: at(c), Method: "API"}
	}
	if c := wants.SMS.Marketing; c != nil && p.fields["phone_number"] != nil {
		if p.sms.State != "SUBSCRIBED" {
			s.tell(p, "Subscribed to SMS Marketing", object{"method": "API"})
		}
		p.sms = consent{State: "SUBSCRIBED", At: at(c), Method: "API"}
	}
	if c := wants.SMS.Transactional; c != nil && p.fields["phone_number"] != nil {
		p.transactional = consent{State: "SUBSCRIBED", At: at(c), Method: "API"}
	}
	if l != nil {
		s.join(l, p)
	}
	s.touch(p)
}

func (s *Server) unsubscribe(_ *http.Request, body []byte) (int, any, *fault) {
	in, l, problem := s.readSubscription(body, "profile-subscription-bulk-delete-job", "UNSUBSCRIBED", maxUnsubscribe)
	if problem != nil {
		return 0, nil, problem
	}
	people := in.Data.Attributes.Profiles.Data
	s.enqueue("unsubscribe", len(people), func(*job) {
		for _, each := range people {
			p := s.subscriberProfile(each)
			if p == nil {
				continue
			}
			wants := each.Attributes.Subscriptions
			if wants.Email.Marketing != nil {
				s.withdraw(p, "EMAIL", "API")
			}
			if wants.SMS.Marketing != nil {
				s.withdraw(p, "SMS", "API")
			}
			if wants.SMS.Transactional != nil {
				p.transactional = consent{State: "UNSUBSCRIBED", At: s.now(), Method: "API"}
			}
			if l != nil {
				delete(l.members, p.id)
			}
			s.touch(p)
		}
	})
	return http.StatusAccepted, nil, nil
}

// withdraw ends a person's subscription.
func (s *Server) withdraw(p *profile, channel, method string) {
	now := s.now()
	if channel == "SMS" {
		if p.sms.State != "UNSUBSCRIBED" {
			p.sms = consent{State: "UNSUBSCRIBED", At: now, Method: method}
			s.tell(p, "Unsubscribed from SMS Marketing", object{"method": method})
		}
		return
	}
	if p.suppress(unsubscribe, now) || p.email.State != "UNSUBSCRIBED" {
		p.email = consent{State: "UNSUBSCRIBED", At: now, Method: method}
		s.tell(p, "Unsubscribed from Email Marketing", object{"method": method})
	}
}

// subscriberProfile finds or makes the profile of a subscriber; nil when its identifiers belong
// to two.
func (s *Server) subscriberProfile(each subscriber) *profile {
	c := change{fields: object{}}
	if each.ID != nil {
		c.id = *each.ID
	}
	if each.Attributes.Email != nil {
		c.fields["email"] = normal("email", *each.Attributes.Email)
	}
	if each.Attributes.Phone != nil {
		c.fields["phone_number"] = *each.Attributes.Phone
	}
	p, _, problem := s.upsert(c, "/data")
	if problem != nil {
		return nil
	}
	return p
}

// readSuppression reads addresses, or the members of a list.
func (s *Server) readSuppression(body []byte, kind string) ([]string, *fault) {
	var in struct {
		Data struct {
			Type       string `json:"type"`
			Attributes struct {
				Profiles *struct {
					Data []resource `json:"data"`
				} `json:"profiles"`
			} `json:"attributes"`
			Relationships struct {
				List struct {
					Data struct {
						ID string `json:"id"`
					} `json:"data"`
				} `json:"list"`
			} `json:"relationships"`
		} `json:"data"`
	}
	if problem := decode(body, &in); problem != nil {
		return nil, problem
	}
	if in.Data.Type != kind {
		return nil, invalid("The resource type must be `"+kind+"`.", "/data/type")
	}
	var emails []string
	if id := in.Data.Relationships.List.Data.ID; id != "" {
		l := s.lists[id]
		if l == nil {
			return nil, notFound("A list with the given id does not exist.", "/data/relationships/list/data/id")
		}
		for member := range l.members {
			if email, set := s.profiles[member].fields["email"].(string); set {
				emails = append(emails, email)
			}
		}
		return emails, nil
	}
	if in.Data.Attributes.Profiles == nil || len(in.Data.Attributes.Profiles.Data) == 0 {
		return nil, invalid("'profiles', a list or a segment is required.", "/data/attributes/profiles")
	}
	if len(in.Data.Attributes.Profiles.Data) > maxSuppress {
		return nil, invalid(fmt.Sprintf("At most %d addresses are taken at once.", maxSuppress), "/data/attributes/profiles/data")
	}
	for i, each := range in.Data.Attributes.Profiles.Data {
		at := fmt.Sprintf("/data/attributes/profiles/data/%d", i)
		var email string
		if err := json.Unmarshal(each.Attributes["email"], &email); err != nil {
			return nil, invalid("'email' is a required field for the resource 'profile'.", at+"/attributes/email")
		}
		if problem := checkField("email", email, at); problem != nil {
			return nil, problem
		}
		emails = append(emails, normal("email", email))
	}
	return emails, nil
}

func (s *Server) suppress(r *http.Request, body []byte) (int, any, *fault) {
	const kind = "profile-suppression-bulk-create-job"
	emails, problem := s.readSuppression(body, kind)
	if problem != nil {
		return 0, nil, problem
	}
	j := s.enqueue(kind, len(emails), func(j *job) {
		for _, email := range emails {
			p, _, problem := s.upsert(change{fields: object{"email": email}}, "/data")
			if problem != nil || !p.suppress(userSuppressed, s.now()) {
				j.skipped++
				continue
			}
			j.completed++
			s.tell(p, "Manually Suppressed from Email Marketing", object{})
			s.touch(p)
		}
	})
	return http.StatusAccepted, object{"data": s.presentSuppression(r, j), "links": links(r, nil)}, nil
}

func (s *Server) unsuppress(r *http.Request, body []byte) (int, any, *fault) {
	const kind = "profile-suppression-bulk-delete-job"
	emails, problem := s.readSuppression(body, kind)
	if problem != nil {
		return 0, nil, problem
	}
	j := s.enqueue(kind, len(emails), func(j *job) {
		for _, email := range emails {
			// Only what was suppressed by hand: a person's own unsubscribe stays.
			p := s.byIdentifier["email:"+email]
			if p == nil || !p.lift(userSuppressed) {
				j.skipped++
				continue
			}
			j.completed++
			s.tell(p, "Manually Unsuppressed from Email Marketing", object{})
			s.touch(p)
		}
	})
	return http.StatusAccepted, object{"data": s.presentSuppression(r, j), "links": links(r, nil)}, nil
}

func (s *Server) getSuppression(r *http.Request, _ []byte) (int, any, *fault) {
	j := s.jobs[r.PathValue("id")]
	if j == nil || j.kind == importKind {
		return 0, nil, notFound("A job with the given id does not exist.", "")
	}
	return http.StatusOK, object{"data": s.presentSuppression(r, j), "links": links(r, nil)}, nil
}

func (s *Server) presentSuppression(r *http.Request, j *job) object {
	self := sandbox.BaseURL(r) + "/api/" + j.kind + "s/" + j.id + "/"
	attributes := object{
		"status": s.status(j), "created_at": stamp(j.created), "total_count": j.total,
		"completed_count": j.completed, "skipped_count": j.skipped, "completed_at": nil,
	}
	if j.done {
		attributes["completed_at"] = stamp(j.due)
	}
	return object{"type": j.kind, "id": j.id, "attributes": attributes, "links": object{"self": self}}
}
