package resolver

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/headwater-cdp/headwater/core"
	visitors "github.com/headwater-cdp/headwater/core/form"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// formOf writes a form as the schema has it.
func (r *Resolver) formOf(ctx context.Context, f *visitors.Form, err error) (*gen.Form, error) {
	if f == nil || err != nil {
		return nil, err
	}
	n, err := r.Forms.SubmissionCount(ctx, workspace(ctx), f.FormID())
	if err != nil {
		return nil, err
	}
	draft, _ := json.Marshal(f.Draft) // texts, numbers and lists: cannot fail
	out := &gen.Form{
		ID: f.FormID(), Name: f.Name, Draft: scalar.JSON(draft), PublishedVersion: int(f.Version), Origins: append([]string{}, f.Origins...),
		Path: visitors.Path + f.PublicID(), Snippet: r.Forms.Snippet(f), Version: int(f.V), SubmissionCount: int(n),
	}
	if f.Published != nil {
		raw, _ := json.Marshal(f.Published)
		out.Published = scalar.JSON(raw)
	}
	return out, nil
}

// definitionOf reads a definition, of which every member must be known.
func definitionOf(raw scalar.JSON) (visitors.Definition, error) {
	var d visitors.Definition
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, core.Errorf(core.Invalid, "DEFINITION", "the definition is an object with title, locale, fields and so on, as docs/forms.md has it").At("definition").Wrap(err)
	}
	return d, nil
}

// Forms answers Query.forms.
func (r query) Forms(ctx context.Context, first *int) ([]*gen.Form, error) {
	n, err := atMost(first)
	if err != nil {
		return nil, err
	}
	page, err := r.Resolver.Services.Forms.Page(ctx, workspace(ctx), core.Window{Limit: n})
	if err != nil {
		return nil, err
	}
	out := make([]*gen.Form, len(page.Items))
	for i, f := range page.Items {
		if out[i], err = r.formOf(ctx, f, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// FormSubmissions answers Query.formSubmissions.
func (r query) FormSubmissions(ctx context.Context, formID string, first *int) ([]*gen.FormSubmission, error) {
	n, err := atMost(first)
	if err != nil {
		return nil, err
	}
	page, err := r.Resolver.Services.Forms.SubmissionPage(ctx, workspace(ctx), formID, core.Window{Limit: n})
	if err != nil {
		return nil, err
	}
	out := make([]*gen.FormSubmission, len(page.Items))
	for i, s := range page.Items {
		out[i] = &gen.FormSubmission{ID: s.SubmissionID(), FormID: s.Form, FormVersion: int(s.Version), At: s.At, EventID: s.Event, Person: s.Profile}
	}
	return out, nil
}

// Profile answers FormSubmission.profile.
func (r submissionFields) Profile(ctx context.Context, s *gen.FormSubmission) (*profile.Profile, error) {
	p, err := r.Profiles.Show(ctx, workspace(ctx), s.Person)
	if core.CodeOf(err) == core.NotFound { // erased
		return nil, nil
	}
	return p, err
}

// CreateForm answers Mutation.createForm.
func (r mutation) CreateForm(ctx context.Context, in gen.CreateFormInput) (*gen.CreateFormPayload, error) {
	out := &gen.CreateFormPayload{}
	d, err := definitionOf(in.Definition)
	if err == nil {
		f, made := r.Forms.Create(ctx, workspace(ctx), in.Name, d, in.Origins, in.IdempotencyKey)
		out.Form, err = r.formOf(ctx, f, made)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// UpdateForm answers Mutation.updateForm.
func (r mutation) UpdateForm(ctx context.Context, in gen.UpdateFormInput) (*gen.UpdateFormPayload, error) {
	out := &gen.UpdateFormPayload{}
	var d visitors.Definition
	var err error
	if !in.Definition.IsNull() {
		d, err = definitionOf(in.Definition)
	}
	if err == nil {
		f, made := r.Forms.Update(ctx, workspace(ctx), in.ID, int64(in.ExpectedVersion), func(f *visitors.Form) {
			if in.Name != nil {
				f.Name = *in.Name
			}
			if !in.Definition.IsNull() {
				f.Draft = d
			}
			if in.Origins != nil {
				f.Origins = in.Origins
			}
		})
		out.Form, err = r.formOf(ctx, f, made)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// PublishForm answers Mutation.publishForm.
func (r mutation) PublishForm(ctx context.Context, in gen.PublishFormInput) (*gen.PublishFormPayload, error) {
	f, err := r.Forms.Publish(ctx, workspace(ctx), in.ID, int64(in.ExpectedVersion))
	out := &gen.PublishFormPayload{}
	out.Form, err = r.formOf(ctx, f, err)
	out.UserErrors, err = problems(err)
	return out, err
}

// FormLink answers Mutation.formLink.
func (r mutation) FormLink(ctx context.Context, in gen.FormLinkInput) (*gen.FormLinkPayload, error) {
	out := &gen.FormLinkPayload{}
	_, err := r.somebody(ctx, in.ProfileID)
	if err == nil {
		var url string
		var until time.Time
		url, until, err = r.Forms.PrefillLink(ctx, workspace(ctx), in.FormID, in.ProfileID)
		out.URL, out.ExpiresAt = text(url), instant(until)
	}
	out.UserErrors, err = problems(err)
	return out, err
}
