package privacy

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// DownloadPath is where the edge serves downloads: before the token.
const DownloadPath = "/v1/downloads/"

// Download is a file that can be fetched for a while by whoever has its URL.
type Download struct {
	URL       string // a path of this server
	Format    string
	SHA256    string // of the content, hex
	Bytes     int64
	ExpiresAt time.Time
}

// fetchClaims is what a token says. It is sealed within it.
type fetchClaims struct {
	Request string `json:"r"` // dsr_…, or "record"
	Format  string `json:"f"`
	File    string `json:"i"`
	By      string `json:"b,omitempty"` // who asked for the link
}

// linkFor is how long one link is good: a new one is made each time somebody asks.
const linkFor = time.Hour

// errReason is what somebody hears who would take out everything about a person without
// a word.
var errReason = core.Errorf(core.Forbidden, "REASON_REQUIRED", "these files hold everything about a person: say in X-Reason why you take them out, for example a ticket's number")

// Downloads returns the files that were made for a request, with links that are good for
// an hour. None after their time. Whoever asks is in the audit log with the person, and
// in each link. It takes a reason, or the right to read every category of data: to
// govern alone is to handle requests, not to read people.
//
// Errors: FORBIDDEN (REASON_REQUIRED, …).
func (d *Desk) Downloads(ctx context.Context, r *Request) ([]*Download, error) {
	actor, err := access.Require(ctx, access.Govern)
	if err != nil {
		return nil, err
	}
	if r.Handling == nil || r.Handling.FilesUntil == nil || len(r.Handling.Files) == 0 || !d.now().Before(*r.Handling.FilesUntil) {
		return nil, nil
	}
	if gone, err := d.gone(ctx, r); err != nil || gone {
		return nil, deskError(err)
	}
	if actor.Reason == "" {
		view, err := access.ViewOf(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range core.Categories {
			if !view.Reads(c).Allowed() {
				return nil, errReason
			}
		}
	}
	seen := audit.Seen{Resource: r.RequestID(), Fields: []string{"PrivacyRequest.downloads"}, Decision: core.Allow}
	if r.Profile != "" {
		seen.Profiles = []string{r.Profile}
	}
	if err := audit.Note(ctx, seen); err != nil {
		return nil, err
	}
	return d.links(ctx, r, actor.ID)
}

// RequestOf returns the request that a job answers, for whoever governs; nil for a job of
// another kind.
func (d *Desk) RequestOf(ctx context.Context, j *work.Job) (*Request, error) {
	if j.Kind != JobAnswer {
		return nil, nil
	}
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	var in answerInput
	if err := j.DecodeInput(&in); err != nil {
		return nil, err
	}
	r, err := d.find(ctx, j.Workspace(), in.Request)
	if core.CodeOf(err) == core.NotFound {
		return nil, nil
	}
	return r, err
}

// links signs a link to each file of a request, for whoever asks.
func (d *Desk) links(ctx context.Context, r *Request, by string) ([]*Download, error) {
	var out []*Download
	until := *r.Handling.FilesUntil
	if soon := d.now().Add(linkFor); soon.Before(until) {
		until = soon
	}
	for _, f := range r.Handling.Files {
		token, err := d.o.Keys.Sign(ctx, r.Workspace(), useDownload, fetchClaims{r.RequestID(), f.Format, f.File, by}, until)
		if err != nil {
			return nil, err
		}
		out = append(out, &Download{URL: DownloadPath + token, Format: f.Format, SHA256: f.SHA256, Bytes: f.Bytes, ExpiresAt: until})
	}
	return out, nil
}

// Fetched is a file on its way out.
type Fetched struct {
	Format string
	Name   string // for the client to store it under; it says nothing of the person
	Bytes  int64
	io.Reader
}

// Fetch opens the file that a token is good for. The fetch is in the audit log when it
// returns, with who asked for the link. Errors: INVALID (TOKEN_INVALID, TOKEN_EXPIRED); NOT_FOUND (FILE_GONE);
// UNAVAILABLE (AUDIT_UNAVAILABLE).
func (d *Desk) Fetch(ctx context.Context, token string) (*Fetched, error) {
	ws, err := keyring.TokenWorkspace(token)
	if err != nil {
		return nil, err
	}
	var c fetchClaims
	if err := d.o.Keys.Verify(ctx, ws, useDownload, token, &c, d.o.Clock.Now()); err != nil {
		return nil, err
	}
	ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:download", Name: "download", Purpose: "compliance"})
	out, entry, err := d.open(ctx, ws, c)
	if err == nil && out == nil {
		err = core.Errorf(core.NotFound, "FILE_GONE", "the file is no longer kept; ask for a new one")
	}
	if err != nil {
		return nil, err
	}
	entry.Workspace, entry.Action, entry.Resource, entry.Reason = ws, "privacy.download", c.Request, c.Request
	if err := d.o.Audit.Write(ctx, entry); err != nil {
		return nil, err
	}
	out.Format, out.Name = c.Format, c.Request+"."+strings.ToLower(c.Format)
	return out, nil
}

// open opens the file that a token names; nil when there is none any more.
func (d *Desk) open(ctx context.Context, ws string, c fetchClaims) (*Fetched, audit.Entry, error) {
	e := audit.Entry{Details: map[string]string{"format": c.Format, "linkOf": c.By}}
	if core.IDPrefix(c.Request) == core.PrefixProcessing {
		text, err := d.recordText(ctx, ws, c.Request, c.Format)
		if err != nil || text == nil {
			return nil, e, err
		}
		return &Fetched{Bytes: int64(len(text)), Reader: bytes.NewReader(text)}, e, nil
	}
	r, err := Requests.Get(ctx, d.o.Store, store.Key(ws, c.Request))
	if err != nil || r == nil || r.Handling == nil {
		return nil, e, deskError(err)
	}
	if gone, err := d.gone(ctx, r); err != nil || gone {
		return nil, e, deskError(err)
	}
	if r.Profile != "" {
		e.Subjects = []string{r.Profile}
	}
	i := slices.IndexFunc(r.Handling.Files, func(f ExportFile) bool { return f.File == c.File && f.Format == c.Format })
	if i < 0 {
		return nil, e, nil
	}
	f := r.Handling.Files[i]
	e.Details["sha256"] = f.SHA256
	return &Fetched{Bytes: f.Bytes, Reader: d.opens(ctx, ws, fileBound(r.ID, c.Format), f)}, e, nil
}
