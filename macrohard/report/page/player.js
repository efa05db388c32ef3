// Plays a simulated user's frames; without it the steps can still be read.
for (const player of document.querySelectorAll(".player")) {
  const stage = player.querySelector(".stage");
  if (!stage) continue;
  const steps = [...player.querySelectorAll(".step[data-frame]")];
  const list = player.querySelector(".log-of-steps");
  const shot = stage.querySelector(".shot");
  const [back, play, next] = [".back", ".play", ".next"].map((name) => stage.querySelector(name));
  let position = 0;
  let timer = 0;

  const show = (wanted) => {
    steps[position].classList.remove("current");
    position = Math.max(0, Math.min(wanted, steps.length - 1));
    const step = steps[position];
    step.classList.add("current");
    shot.className = "shot " + step.dataset.frame;
    shot.setAttribute("aria-label", "Screenshot after step " + step.dataset.number);
    stage.querySelector(".at").textContent = "Step " + step.dataset.number;
    list.scrollTop = step.offsetTop - list.offsetTop - 8;
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (position === steps.length - 1) show(0);
    play.textContent = "Pause";
    timer = setInterval(() => (position < steps.length - 1 ? show(position + 1) : stop()), 1200);
  });
  back.addEventListener("click", () => { stop(); show(position - 1); });
  next.addEventListener("click", () => { stop(); show(position + 1); });
  steps.forEach((step, index) => step.addEventListener("click", () => { stop(); show(index); }));
  player.classList.add("ready");
  stage.querySelector(".controls").hidden = false;
  steps[0].classList.add("current");
}
