# mypy: ignore-errors
"""Points of an evening of games, all on one page."""

# ruff: noqa: E501
from kit import page, serve

BODY = """<h1>Scores</h1>
<form id="adding" novalidate><p><label for="name">Player</label><input id="name" name="name" aria-required="true"
autocomplete="off"></p><p role="alert" id="problem"></p><button>Add player</button></form>
<table aria-label="Scores"><thead><tr><th scope="col">Player</th><th scope="col">Points</th><th scope="col">Change</th>
</tr></thead><tbody id="rows"></tbody></table><p role="status" id="said"></p>
<p><button type="button" id="reset">Set all to 0</button></p>
<script>
const players = JSON.parse(localStorage.getItem("players") ?? "[]");
const at = (id) => document.getElementById(id);
function keep() { localStorage.setItem("players", JSON.stringify(players)); }
function show() {
  players.sort((one, other) => other.points - one.points);
  at("rows").replaceChildren(...players.map((player) => {
    const row = document.createElement("tr");
    row.innerHTML = "<td></td><td></td><td><button type=button>+1</button> <button type=button>-1</button></td>";
    row.cells[0].textContent = player.name;
    row.cells[1].textContent = player.points;
    const [more, less] = row.querySelectorAll("button");
    more.setAttribute("aria-label", "One more for " + player.name);
    less.setAttribute("aria-label", "One less for " + player.name);
    more.onclick = () => { player.points += 1; keep(); show(); };
    less.onclick = () => { player.points -= 1; keep(); show(); };
    return row;
  }));
  const total = players.reduce((sum, player) => sum + player.points, 0);
  at("said").textContent = `${players.length} players, ${total} points in all`;
}
at("adding").onsubmit = (event) => {
  event.preventDefault();
  const name = at("name").value.trim();
  const taken = players.some((player) => player.name.toLowerCase() === name.toLowerCase());
  at("problem").textContent = !name ? "Player is required." : name.length > 60 ? "Player can have 60 characters at most."
    : taken ? "This player is there already." : "";
  if (at("problem").textContent) return;
  players.push({ name, points: 0 });
  at("name").value = "";
  keep(); show();
};
at("reset").onclick = () => { for (const player of players) player.points = 0; keep(); show(); at("said").textContent += ", all at 0 again"; };
show();
</script>"""

serve("Scores", (("/", "Scores"),), [("GET", "/", lambda data: page("Scores", BODY))])
