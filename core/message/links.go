package message

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/keyring"
)

// The paths of links that lead through this server, each before a token.
const (
	ClickPath = "/c/"
	OpenPath  = "/o/"
)

const (
	useClick = "message-click"
	useOpen  = "message-open"
	linksFor = 400 * 24 * time.Hour
	maxToken = 6000
)

// clicked is what the token of a link says; it is encrypted within it.
type clicked struct {
	Message string `json:"m"`
	Link    int    `json:"n,omitempty"`
	URL     string `json:"u,omitempty"`
}

var hrefs = regexp.MustCompile(`(?is)(<a\b[^>]*?\bhref\s*=\s*)("[^"]*"|'[^']*')`)

// instrument makes the links of an e-mail lead through this server and puts a picture of one
// point at its end, where the workspace asks for it.
func (r *round) instrument(ctx context.Context, l *letter) error {
	base := r.s.URL()
	if base == "" || r.channel != Email || l.content.HTML == "" || l.m.Test {
		return nil
	}
	until := r.s.now().Add(linksFor)
	if r.route.way.Clicks {
		var failed error
		n := 0
		l.content.HTML = hrefs.ReplaceAllStringFunc(l.content.HTML, func(tag string) string {
			parts := hrefs.FindStringSubmatch(tag)
			target := strings.TrimSpace(html.UnescapeString(parts[2][1 : len(parts[2])-1]))
			if !followable(target) || strings.HasPrefix(target, base+"/") || len(target) > 3000 {
				return tag // the links of consent stay what they are
			}
			n++
			token, err := r.s.Keys.Sign(ctx, r.ws, useClick, clicked{Message: l.m.MessageID(), Link: n, URL: target}, until)
			if err != nil {
				failed = err
				return tag
			}
			return parts[1] + `"` + base + ClickPath + token + `"`
		})
		if failed != nil {
			return failed
		}
	}
	if r.route.way.Opens {
		token, err := r.s.Keys.Sign(ctx, r.ws, useOpen, clicked{Message: l.m.MessageID()}, until)
		if err != nil {
			return err
		}
		point := `<img src="` + base + OpenPath + token + `.gif" width="1" height="1" alt="" style="display:block;border:0">`
		if i := strings.LastIndex(strings.ToLower(l.content.HTML), "</body>"); i >= 0 {
			l.content.HTML = l.content.HTML[:i] + point + l.content.HTML[i:]
		} else {
			l.content.HTML += point
		}
	}
	return nil
}

// followable reports whether a link may lead somewhere: to http or https, with a host.
func followable(target string) bool {
	u, err := url.Parse(target)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && !strings.ContainsAny(target, "\r\n")
}

// Visit is a request for one of our links.
type Visit struct {
	Method    string
	UserAgent string
	Prefetch  bool // the client says that it only fetches ahead
	At        time.Time
}

// Follow returns where the link of a token leads, and writes down that it was followed. A
// token that is not ours is an INVALID; what cannot be written down leads there all the same.
func (s *Service) Follow(ctx context.Context, token string, v Visit) (string, error) {
	c, ctx, ws, err := s.opened(ctx, useClick, token)
	if err != nil {
		return "", err
	}
	if !followable(c.URL) {
		return "", core.Errorf(core.Invalid, "TOKEN_INVALID", "this link leads nowhere")
	}
	s.visited(ctx, ws, c, WasClicked, v)
	return c.URL, nil
}

// Opened writes down that the picture of a token was fetched. A token that is not ours is an
// INVALID.
func (s *Service) Opened(ctx context.Context, token string, v Visit) error {
	c, ctx, ws, err := s.opened(ctx, useOpen, strings.TrimSuffix(token, ".gif"))
	if err != nil {
		return err
	}
	s.visited(ctx, ws, c, WasOpened, v)
	return nil
}

func (s *Service) opened(ctx context.Context, use, token string) (clicked, context.Context, string, error) {
	var c clicked
	if len(token) > maxToken {
		return c, ctx, "", core.Errorf(core.Invalid, "TOKEN_INVALID", "this link is not valid here")
	}
	ws, err := keyring.TokenWorkspace(token)
	if err == nil {
		err = s.Keys.Verify(ctx, ws, use, token, &c, s.now())
	}
	return c, core.WithActor(ctx, access.System(ws, "messages")), ws, err
}

func (s *Service) visited(ctx context.Context, ws string, c clicked, what string, v Visit) {
	h := Happened{Type: what, At: v.At.UTC().Truncate(time.Millisecond)}
	if what == WasClicked {
		sum := sha256.Sum256([]byte(c.URL))
		h.Link, h.ByKey = strconv.Itoa(c.Link), hex.EncodeToString(sum[:6])
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err := s.change(ctx, ws, c.Message, func(m *Message) (*turn, error) {
		h.Bot = robot(m, v)
		return m.turned(h), nil
	})
	if err != nil {
		s.Logger.Warn("message: write down a visit", "message", c.Message, "reason", core.AsError(err).Reason)
	}
}

// tooFast is how soon after a message went nobody opens it: it is looked through on its way.
const tooFast = 2 * time.Second

// robots are words of programs that look through mail: scanners and what fetches pictures
// ahead. The proxies that fetch a picture when its reader opens the letter are none.
var robots = []string{
	"bot", "crawl", "spider", "scan", "preview", "python-", "curl/", "wget/", "go-http-client", "java/", "okhttp", "headless", "phantomjs",
	"barracuda", "proofpoint", "mimecast", "forcepoint", "symantec", "trendmicro", "messagelabs", "safelinks", "yahoomailproxy",
}

// robot tells why a visit was no person's; "" for a person's.
func robot(m *Message, v Visit) string {
	agent := strings.ToLower(strings.TrimSpace(v.UserAgent))
	switch {
	case v.Method == http.MethodHead:
		return "HEAD"
	case v.Prefetch:
		return "PREFETCH"
	case agent == "" || agent == "mozilla/5.0": // Apple's mail fetches every picture ahead, as this
		return "PREFETCH"
	}
	for _, word := range robots {
		if strings.Contains(agent, word) {
			return "USER_AGENT"
		}
	}
	for _, h := range m.Timeline {
		if h.Type == WasSent && v.At.Sub(h.At) < tooFast {
			return "TOO_FAST"
		}
	}
	if m.Status == Handed {
		return "TOO_FAST"
	}
	return ""
}

// quoted writes a name as it may stand before an address.
func quoted(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}
