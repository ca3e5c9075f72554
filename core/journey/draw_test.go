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
	known := map[string]bool{"in": true, "w": true, "w2": true, "m": true}
	place := func(id string) *string { return &id }
	var paths []string
	for _, e := range checkNodeMap(known, next, map[string]*string{"w": place("nowhere"), "w2": place("in"), "m": place("m"), "in": nil, "q": place("m")}) {
		require.Equal(t, ReasonNodeMap, e.Reason)
		require.Contains(t, e.Message, `node "`+e.Path[1]+`"`)
		paths = append(paths, e.Path[1])
	}
	require.Equal(t, []string{"q", "w", "w2"}, paths)

	s := enters(t, old, happens(t, "Start", start(t), ""))
	s.step(start(t))
	now := start(t).Add(time.Minute)
	moved := next.Migrate(s.state, "v", now)
	require.Equal(t, "v", moved.Node)
	require.Equal(t, s.state.Due, moved.Due, "the timer goes on")
	require.Equal(t, s.state.Visit, moved.Visit)
	s.program, s.state = next, moved
	require.Equal(t, []string{"m"}, sends(s.step(moved.Due)))

	waits := State{Status: Waiting, For: ForTime, Node: "w2", Visit: 3, Due: now.Add(time.Hour)}
	for _, to := range []string{"e", "m"} {
		moved = next.Migrate(waits, to, now)
		require.Equal(t, Active, moved.Status)
		require.Equal(t, waits.Due, moved.Due, "nothing is sent before the old timer ends")
		require.Equal(t, int64(4), moved.Visit)
		s.state = moved
		require.Empty(t, s.step(now).Trail)
		o := s.step(moved.Due)
		require.False(t, o.Trail[0].Came, "that it came there was told when it was moved")
	}
	asked := State{Status: Waiting, For: ForOverdue, Node: "x", Visit: 3}
	require.Equal(t, Active, next.Migrate(asked, "v", now).Status)
	require.True(t, next.Migrate(asked, "v", now).Due.Equal(now))
}
