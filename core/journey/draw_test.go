package journey

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMermaid(t *testing.T) {
	got := Mermaid(parsed(t, cart), nil)
	require.True(t, strings.HasPrefix(got, "flowchart TD\n  n0([\"whoever "))
	require.Contains(t, got, `  n1[/"wait 1 hour"/]`+"\n")
	require.Contains(t, got, `  n2>"send tpl_1 by EMAIL for marketing"]`+"\n")
	require.Contains(t, got, "  n0 --> n1\n")
	all := Mermaid(parsed(t, full), nil)
	require.Contains(t, all, `(["kept out"])`)
	require.Contains(t, all, `-->|"treated (90%)"|`)
	require.Contains(t, all, `-->|"timeout"|`)
}

// TestMermaidLabels: nothing that people write can be taken for notation.
func TestMermaidLabels(t *testing.T) {
	harmless := regexp.MustCompile(`^[\p{L}\p{Nd} .,:\-_/+%()…#0-9;]*$`)
	line := regexp.MustCompile(`^(flowchart TD|  n\d+(\(\[|\[/|\{|\[\[|>|\[)"[^"\n\[\]{}<>|&` + "`" + `]*"(\]\)|/\]|\}|\]\]|\])|  out\d+\(\["kept out"\]\)|  n\d+ -->(\|"[^"|\n]*"\|)? (n|out)\d+)$`)
	for _, name := range []string{`a"b`, "x]; click n0 href \"javascript:alert(1)\"", "end", "a\nb --> c", "`md`", "<script>", "#quot;", "%%{init: {}}%%", "日本語 ñ", "graph|x", "\u202e"} {
		require.Regexp(t, harmless, label(name))
	}
	require.Equal(t, "a#34;b", label(`a"b`))
	require.Equal(t, "#35;quot#59;", label("#quot;"))
	require.Len(t, []rune(clipRunes(strings.Repeat("é", 500))), maxLabel)
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.String().Draw(rt, "name")
		if strings.TrimSpace(name) == "" || strings.ContainsRune(name, 0) || len(name) > 200 {
			return
		}
		d := parsed(t, drawn("", []string{mail("m")}, "in next m"))
		d.Nodes[1].Name = name
		for _, l := range strings.Split(strings.TrimSuffix(Mermaid(d, nil), "\n"), "\n") {
			require.Regexp(rt, line, l)
		}
	})
}

func TestText(t *testing.T) {
	d := parsed(t, drawn("", []string{`b {"branch":[{"name":"vip","where":{"trait":{"path":"tier","eq":"gold"}}}]}`, mail("m"), `w {"wait":{"event":{"event":{"name":"Click"},"timeout":"P1DT2H"}}}`, `x {"exit":true}`},
		"in next b", "b vip m", "b else w", "m next w", "w next m", "w timeout x"))
	require.Equal(t, strings.TrimLeft(`
in: whoever did "Start"
b: choose
  vip: tier is "gold"
    m: send tpl_m by EMAIL for marketing
    w: wait until the person did "Click", at most 1 day and 2 hours
      next
        → m
      timeout
        x: leave
  else
    → w
`, "\n"), strings.ReplaceAll(Text(d, nil), "has done", "did"))
	require.NotEmpty(t, Text(parsed(t, full), nil))
}

func TestNodeMap(t *testing.T) {
	old := compiled(t, drawn("", []string{`w {"wait":{"duration":"PT1H"}}`, `w2 {"wait":{"duration":"PT2H"}}`, mail("m")}, "in next w", "w next w2", "w2 next m"))
	next := compiled(t, drawn("", []string{`v {"wait":{"duration":"PT5H"}}`, `w2 {"exit":true}`, mail("m"), `e {"wait":{"event":{"event":{"name":"A"},"timeout":"P9D"}}}`}, "in next v", "v next m", "m next e", "e next w2", "e timeout w2"))
	inside := map[string]int64{"w": 3, "w2": 2, "m": 0}
	reasons := func(m NodeMap) map[string]string {
		out := map[string]string{}
		for _, e := range CheckNodeMap(old.def, next.def, m, inside) {
			require.Contains(t, e.Message, e.Path[1])
			out[e.Path[1]] = e.Reason
		}
		return out
	}
	require.Equal(t, map[string]string{"w": ReasonStranded, "w2": ReasonStranded}, reasons(nil))
	require.Equal(t, map[string]string{"w": ReasonNodeMap, "w2": ReasonNodeMap, "q": ReasonNodeMap}, reasons(NodeMap{"w": "nowhere", "w2": "in", "q": "m"}))
	good := NodeMap{"w": "v", "w2": ""}
	require.Empty(t, reasons(good))

	s := enters(t, old, happens(t, "Start", start(t), ""))
	s.step(start(t))
	now := start(t).Add(time.Minute)
	moved := next.Migrate(s.state, good, now)
	require.Equal(t, "v", moved.Node)
	require.Equal(t, s.state.Due, moved.Due, "the timer goes on")
	s.program, s.state = next, moved
	require.Equal(t, []string{"m"}, sends(s.step(moved.Due)))

	waits := State{Status: Waiting, For: ForTime, Node: "w2", Visit: 3, Due: now.Add(time.Hour)}
	require.Equal(t, Exited, next.Migrate(waits, good, now).Status)
	moved = next.Migrate(waits, NodeMap{"w2": "e"}, now)
	require.Equal(t, Active, moved.Status)
	require.Equal(t, waits.Due, moved.Due, "nothing runs before the old timer ends")
	require.Equal(t, int64(4), moved.Visit)
}
