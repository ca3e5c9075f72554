package main

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// signInFlags say whose tokens members may come in with.
type signInFlags struct {
	OidcIssuer   []string      `help:"Issuer of tokens that members sign in with: its URL as in iss. Several may be named." placeholder:"URL"`
	OidcAudience []string      `help:"Audience that tokens for this server have; needed with --oidc-issuer." placeholder:"NAME"`
	OidcSkew     time.Duration `help:"How far the clocks of an issuer and this server may be apart." default:"1m"`
}

// signIn lets in members with the tokens of the issuers that the flags name.
func (a *app) signIn(f signInFlags) error {
	if len(f.OidcIssuer) == 0 {
		return nil
	}
	o, err := access.NewOIDC(access.OIDCOptions{
		Issuers: f.OidcIssuer, Audiences: f.OidcAudience, Skew: f.OidcSkew, Clock: a.e.clock, Logger: a.e.log,
	})
	if err != nil {
		return err
	}
	a.access.SetOIDC(o)
	return nil
}

// knowPurposes lets access refuse a purpose that a workspace does not have.
func (a *app) knowPurposes() {
	a.access.SetPurposes(func(ctx context.Context, workspace, purpose string) (bool, error) {
		r, err := a.consent.Register(ctx, workspace)
		if err != nil {
			return false, err
		}
		p := r.Purpose(purpose)
		return p != nil && !p.Archived, nil
	})
}

// alert tells operators, in the log and the metrics, of what somebody should look at.
func (a *app) alert(_ context.Context, w access.Alert) {
	a.metrics.Alert(w.Kind)
	a.e.log.Warn("somebody should look at this; the audit log tells more", "alert", w.Kind, "workspace", w.Workspace, "actor", w.Actor)
}

// memberCmd groups what an operator does to members: the first one of a workspace is
// invited here.
type memberCmd struct {
	Invite inviteMemberCmd `cmd:"" help:"Invite a member; prints the token of the invitation as JSON."`
	List   listMembersCmd  `cmd:"" help:"List the members, one JSON object a line."`
}

type inviteMemberCmd struct {
	storeFlags
	Workspace string        `arg:"" help:"Name of the workspace."`
	Email     string        `arg:"" help:"Address that the issuer must have verified."`
	Role      []string      `help:"Roles of the member." default:"owner"`
	Name      string        `help:"What the member is called; else what the issuer says." env:"-"`
	Expires   time.Duration `help:"How long the invitation is good." default:"168h"`
	AnyEmail  bool          `help:"Whoever has the token may accept it, whatever their address." env:"-"`
}

// Run implements the command.
func (c *inviteMemberCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		made, err := a.access.InviteMember(ctx, access.NewMember{
			Workspace: w.ID, Email: c.Email, Name: c.Name, Roles: c.Role, ExpiresIn: c.Expires, AnyEmail: c.AnyEmail,
		})
		if err != nil {
			return err
		}
		return e.printJSON(struct {
			Member    string    `json:"member"`
			Workspace string    `json:"workspace"`
			Roles     []string  `json:"roles"`
			Token     string    `json:"token"`
			ExpiresAt time.Time `json:"expiresAt"`
		}{made.Member.MemberID, w.ID, made.Member.Roles, made.Token, made.Member.Invitation.ExpiresAt})
	})
}

type listMembersCmd struct {
	storeFlags
	Workspace string `arg:"" help:"Name of the workspace."`
}

// Run implements the command.
func (c *listMembersCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		if err := a.tell(ctx, w, "cli.listMembers", "member", nil); err != nil {
			return err
		}
		first := core.MaxPage
		page := core.PageArgs{First: &first}
		for {
			p, err := a.access.Members(ctx, w.ID, "", page)
			if err != nil {
				return err
			}
			for _, m := range p.Items {
				err := e.printJSON(struct {
					Member string   `json:"member"`
					Status string   `json:"status"`
					Email  string   `json:"email"`
					Name   string   `json:"name,omitempty"`
					Roles  []string `json:"roles"`
				}{m.MemberID, string(m.Status), m.Email, m.Name, m.Roles})
				if err != nil {
					return err
				}
			}
			if !p.HasNext {
				return nil
			}
			page.After = &p.Cursors[len(p.Cursors)-1]
		}
	})
}
