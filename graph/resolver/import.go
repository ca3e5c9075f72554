package resolver

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// previewRows is how many rows a dry run shows.
const previewRows = 50

// StartImport answers Mutation.startImport.
func (r mutation) StartImport(ctx context.Context, in gen.StartImportInput) (*gen.StartImportPayload, error) {
	out := &gen.StartImportPayload{}
	opt, content, err := importOptions(in)
	if err == nil && value(in.DryRun) {
		var rows []ingest.PreviewRow
		rows, err = r.Resolver.Ingest.PreviewImport(ctx, workspace(ctx), opt, strings.NewReader(content), previewRows)
		out.Preview = pointers(rows)
	} else if err == nil {
		out.Job, err = r.Resolver.Ingest.StageImport(ctx, r.Jobs, workspace(ctx), opt, strings.NewReader(content))
	}
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.StartImportPayload{UserErrors: errs}, err
	}
	return out, nil
}

func importOptions(in gen.StartImportInput) (ingest.ImportOptions, string, error) {
	opt := ingest.ImportOptions{Format: ingest.NDJSON, Source: value(in.Source), Type: value(in.Type)}
	csv := in.Content.CSV
	if csv == nil {
		return opt, value(in.Content.Ndjson), nil
	}
	opt.Format = ingest.CSV
	if len(csv.Separator) != 1 {
		return opt, "", core.Errorf(core.Invalid, "COMMA", "the separator is one ASCII character").At("content", "csv", "separator")
	}
	opt.Comma = csv.Separator[0]
	for _, c := range csv.Columns {
		if opt.Mapping == nil {
			opt.Mapping = map[string]string{}
		}
		opt.Mapping[c.Column] = c.Target
	}
	return opt, csv.Text, nil
}

// Type answers ImportRow.type.
func (r importFields) Type(_ context.Context, row *ingest.PreviewRow) (*string, error) {
	return text(string(row.Type)), nil
}

// Name answers ImportRow.name.
func (r importFields) Name(_ context.Context, row *ingest.PreviewRow) (*string, error) {
	return text(row.Name), nil
}

// Error answers ImportRow.error.
func (r importFields) Error(_ context.Context, row *ingest.PreviewRow) (*core.Error, error) {
	return row.Result.Err, nil
}
