package twilio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// message is one text, either way.
type message struct {
	sid, to, from, body, service string
	direction, status            string
	segments                     int
	errorCode                    int
	created, updated, sent       time.Time
	callback                     string
}

var (
	numberForm = regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)
	// maxBody is how many characters a message has at most.
	maxBody = 1600
	// ends decides what becomes of a message by the end of its number.
	ends = []struct {
		suffix, status string
		code           int
	}{
		{"30003", "undelivered", 30003}, {"30006", "undelivered", 30006}, {"30007", "undelivered", 30007}, {"30008", "failed", 30008},
	}
	errorMessages = map[int]string{
		30003: "Unreachable destination handset", 30006: "Landline or unreachable carrier", 30007: "Carrier violation", 30008: "Unknown error",
	}
)

func (s *Server) create(r *http.Request) (int, any, *fault) {
	f := r.PostForm
	to, from, service, body := f.Get("To"), f.Get("From"), f.Get("MessagingServiceSid"), f.Get("Body")
	switch {
	case to == "":
		return 0, nil, refused(21604, "A 'To' phone number is required.")
	case !numberForm.MatchString(to) || to == "+15005550001":
		return 0, nil, refused(21211, "Invalid 'To' Phone Number: "+to)
	case to == "+15005550009":
		return 0, nil, refused(21614, "'To' number: "+to+", is not a mobile number")
	case from == "" && service == "":
		return 0, nil, refused(21603, "A 'From' phone number is required.")
	case from != "" && from != Number:
		return 0, nil, refused(21659, "'From' "+from+" is not a Twilio phone number or Short Code country mismatch")
	case service != "" && service != ServiceSID:
		return 0, nil, refused(21701, "The Messaging Service does not exist")
	case body == "" && len(f["MediaUrl"]) == 0:
		return 0, nil, refused(21602, "Message body is required.")
	case utf8.RuneCountInString(body) > maxBody:
		return 0, nil, refused(21617, "The concatenated message body exceeds the 1600 character limit.")
	case s.optedOut[to]:
		return 0, nil, refused(21610, "Attempt to send to unsubscribed recipient")
	}
	callback := f.Get("StatusCallback")
	if u, err := url.Parse(callback); callback != "" && (err != nil || u.Host == "") {
		return 0, nil, refused(21609, "Invalid 'StatusCallback' URL")
	}
	now := s.now()
	m := &message{
		sid: "SM" + token(), to: to, from: Number, body: body, service: service, direction: "outbound-api", status: "queued",
		segments: segments(body), created: now, updated: now, callback: callback,
	}
	if service != "" {
		m.status = "accepted"
	}
	s.messages[m.sid] = m
	s.order = append(s.order, m)
	life := s.life
	time.AfterFunc(step, func() { s.progress(m, life) })
	return http.StatusCreated, m.present(), nil
}

// progress takes a message one state on, and tells it.
func (s *Server) progress(m *message, life int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != life || s.messages[m.sid] != m {
		return
	}
	now := s.now()
	switch m.status {
	case "accepted":
		m.status = "queued"
	case "queued":
		m.status, m.sent = "sent", now
	case "sent":
		m.status = "delivered"
		for _, end := range ends {
			if strings.HasSuffix(m.to, end.suffix) {
				m.status, m.errorCode = end.status, end.code
			}
		}
	}
	m.updated = now
	form := url.Values{
		"AccountSid": {AccountSID}, "ApiVersion": {"2010-04-01"}, "From": {m.from}, "To": {m.to},
		"MessageSid": {m.sid}, "SmsSid": {m.sid}, "MessageStatus": {m.status}, "SmsStatus": {m.status},
	}
	if m.errorCode != 0 {
		form.Set("ErrorCode", strconv.Itoa(m.errorCode))
	}
	if m.service != "" {
		form.Set("MessagingServiceSid", m.service)
	}
	s.send(m.callback, form)
	if m.status == "queued" || m.status == "sent" {
		time.AfterFunc(step, func() { s.progress(m, life) })
	}
}

func (m *message) present() object {
	self := "/2010-04-01/Accounts/" + AccountSID + "/Messages/" + m.sid
	o := object{
		"sid": m.sid, "account_sid": AccountSID, "api_version": "2010-04-01", "body": m.body, "direction": m.direction, "from": m.from, "to": m.to,
		"num_media": "0", "num_segments": strconv.Itoa(m.segments), "status": m.status, "price": nil, "price_unit": "USD",
		"date_created": rfc2822(m.created), "date_updated": rfc2822(m.updated), "date_sent": nil, "error_code": nil, "error_message": nil,
		"messaging_service_sid": nil, "uri": self + ".json", "subresource_uris": object{"media": self + "/Media.json"},
	}
	if m.service != "" {
		o["messaging_service_sid"] = m.service
	}
	if !m.sent.IsZero() {
		o["date_sent"] = rfc2822(m.sent)
		o["price"] = fmt.Sprintf("-%.5f", 0.0079*float64(m.segments))
	}
	if m.errorCode != 0 {
		o["error_code"], o["error_message"] = m.errorCode, errorMessages[m.errorCode]
	}
	return o
}

// list is newest first, by pages that go on where the last ended.
func (s *Server) list(r *http.Request) (int, any, *fault) {
	q := r.URL.Query()
	size := 50
	if text := q.Get("PageSize"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, nil, refused(20001, "PageSize must be a number from 1 to 1000")
		}
		size = min(n, 1000)
	}
	var found []*message
	for _, m := range slices.Backward(s.order) {
		if m.match(q) {
			found = append(found, m)
		}
	}
	number, _ := strconv.Atoi(q.Get("Page"))
	if last, given := strings.CutPrefix(q.Get("PageToken"), "PA"); given {
		i := slices.IndexFunc(found, func(m *message) bool { return m.sid == last })
		if i < 0 {
			return 0, nil, refused(20006, "The PageToken is not valid")
		}
		found = found[i+1:]
	} else if number > 0 {
		found = found[min(number*size, len(found)):]
	}
	address := func(page int, token string) string {
		next := url.Values{}
		for name, values := range q {
			next[name] = values
		}
		next.Set("PageSize", strconv.Itoa(size))
		next.Set("Page", strconv.Itoa(page))
		next.Del("PageToken")
		if token != "" {
			next.Set("PageToken", token)
		}
		return "/2010-04-01/Accounts/" + AccountSID + "/Messages.json?" + next.Encode()
	}
	var next, previous any
	if len(found) > size {
		found = found[:size]
		next = address(number+1, "PA"+found[size-1].sid)
	}
	if number > 0 {
		previous = address(number-1, "")
	}
	messages := make([]object, 0, len(found))
	for _, m := range found {
		messages = append(messages, m.present())
	}
	return http.StatusOK, object{
		"messages": messages, "page": number, "page_size": size, "start": number * size, "end": number*size + max(len(found)-1, 0),
		"uri": address(number, q.Get("PageToken")), "first_page_uri": address(0, ""), "next_page_uri": next, "previous_page_uri": previous,
	}, nil
}

func (m *message) match(q url.Values) bool {
	if to := q.Get("To"); to != "" && to != m.to {
		return false
	}
	if from := q.Get("From"); from != "" && from != m.from {
		return false
	}
	for name, pass := range map[string]func(day, limit time.Time) bool{
		"DateSent":  func(at, limit time.Time) bool { return !at.Before(limit) && at.Before(limit.AddDate(0, 0, 1)) },
		"DateSent<": func(at, limit time.Time) bool { return !at.After(limit) },
		"DateSent>": func(at, limit time.Time) bool { return !at.Before(limit) },
	} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		limit, err := time.Parse(time.RFC3339, text)
		if err != nil {
			limit, err = time.Parse(time.DateOnly, text)
		}
		if err != nil || m.sent.IsZero() || !pass(m.sent, limit) {
			return false
		}
	}
	return true
}

// messageOf is the message of the path.
func (s *Server) messageOf(r *http.Request) (*message, *fault) {
	sid, is := strings.CutSuffix(r.PathValue("file"), ".json")
	if m := s.messages[sid]; is && m != nil {
		return m, nil
	}
	return nil, notFound(r)
}

func (s *Server) get(r *http.Request) (int, any, *fault) {
	m, problem := s.messageOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	return http.StatusOK, m.present(), nil
}

// moving says that a message is on its way: it can be neither redacted nor removed.
func (m *message) moving() bool {
	return slices.Contains([]string{"accepted", "queued", "sending"}, m.status)
}

func (s *Server) update(r *http.Request) (int, any, *fault) {
	m, problem := s.messageOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	if r.PostForm.Get("Status") == "canceled" {
		return 0, nil, refused(30409, "The message is not scheduled, so it cannot be canceled")
	}
	body, given := r.PostForm["Body"]
	switch {
	case !given || body[0] != "":
		return 0, nil, refused(20001, "Body can only be made empty")
	case m.moving():
		return 0, nil, &fault{Status: http.StatusConflict, Code: 20009, Message: "The message is still on its way"}
	}
	m.body, m.updated = "", s.now()
	return http.StatusOK, m.present(), nil
}

func (s *Server) remove(r *http.Request) (int, any, *fault) {
	m, problem := s.messageOf(r)
	if problem != nil {
		return 0, nil, problem
	}
	if m.moving() {
		return 0, nil, &fault{Status: http.StatusConflict, Code: 20009, Message: "The message is still on its way"}
	}
	delete(s.messages, m.sid)
	s.order = slices.DeleteFunc(s.order, func(other *message) bool { return other == m })
	return http.StatusNoContent, nil, nil
}

// Words by which a person leaves, comes back or asks, as the vendor's default has them.
var (
	stopWords  = []string{"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
	startWords = []string{"START", "YES", "UNSTOP"}
	helpWords  = []string{"HELP", "INFO"}
)

// inbound is the control by which a person writes.
func (s *Server) inbound(w http.ResponseWriter, r *http.Request) {
	var in struct {
		From string `json:"from"`
		To   string `json:"to"`
		Body string `json:"body"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in)
	if in.To == "" {
		in.To = Number
	}
	if err != nil || !numberForm.MatchString(in.From) || in.To != Number {
		sandbox.WriteJSON(w, http.StatusBadRequest, object{"error": `the body is {"from":"+39…","body":"STOP"}; to is the account's number`})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	m := &message{
		sid: "SM" + token(), to: in.To, from: in.From, body: in.Body, direction: "inbound", status: "received",
		segments: segments(in.Body), created: now, updated: now, sent: now,
	}
	s.messages[m.sid] = m
	s.order = append(s.order, m)
	form := url.Values{
		"AccountSid": {AccountSID}, "ApiVersion": {"2010-04-01"}, "MessageSid": {m.sid}, "SmsSid": {m.sid}, "SmsMessageSid": {m.sid},
		"SmsStatus": {"received"}, "From": {m.from}, "To": {m.to}, "Body": {m.body}, "NumMedia": {"0"}, "NumSegments": {strconv.Itoa(m.segments)},
	}
	switch word := strings.ToUpper(strings.TrimSpace(in.Body)); {
	case slices.Contains(stopWords, word):
		s.optedOut[in.From] = true
		form.Set("OptOutType", "STOP")
	case slices.Contains(startWords, word):
		delete(s.optedOut, in.From)
		form.Set("OptOutType", "START")
	case slices.Contains(helpWords, word):
		form.Set("OptOutType", "HELP")
	}
	s.send(s.desk.Outbox.URL(), form)
	sandbox.WriteJSON(w, http.StatusOK, object{"sid": m.sid})
}

// gsm and gsmExtended are the default alphabet of GSM 03.38 and what is reached by an
// escape.
const (
	gsm = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)

// segments counts the parts that a text is sent in. No character is torn apart: a part
// that has no room for both halves of one ends before it.
func segments(text string) int {
	one, part, wide := 160, 153, false
	for _, c := range text {
		if !strings.ContainsRune(gsm, c) && !strings.ContainsRune(gsmExtended, c) {
			one, part, wide = 70, 67, true
			break
		}
	}
	total, parts, room := 0, 1, part
	for _, c := range text {
		size := 1
		if wide {
			size = max(utf16.RuneLen(c), 1)
		} else if strings.ContainsRune(gsmExtended, c) {
			size = 2
		}
		total += size
		if size > room {
			parts, room = parts+1, part
		}
		room -= size
	}
	if total <= one {
		return 1
	}
	return parts
}
