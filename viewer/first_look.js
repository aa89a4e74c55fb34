// The first look of an exported page: title, a gentle swing until the first touch, and buttons to look through cameras.
(() => {
  const { title, views, middle } = window.__CVD3D__; // views: name, color, horizontal and vertical fov in radians
  const SWING_ANGLE = 0.087, SWING_SECONDS = 12;
  const frame = document.querySelector("#cvd3d-frame");
  const chips = document.querySelector("#cvd3d-chips");
  document.querySelector("#cvd3d-title").textContent = title;
  document.title = title;
  let viewer, controls, through = null, swing = null, hidden = null, last = "";

  // viser keeps its state in a React context, which can be reached from the canvas.
  function findViewer() {
    const canvas = document.querySelector("canvas[data-engine]") || document.querySelector("canvas");
    const key = canvas && Object.keys(canvas).find((name) => name.startsWith("__reactFiber$"));
    for (let fiber = key && canvas[key]; fiber; fiber = fiber.return) {
      const value = fiber.memoizedProps && fiber.memoizedProps.value;
      if (value && value.mutable && value.sceneTreeActions) return value;
    }
    return null;
  }

  const node = (view) => viewer.mutable.current.nodeRefFromName[`/cameras/${views[view].name}/frustum`];

  function hideOnly(view) {
    if (hidden === view) return;
    const show = (v, overrideVisibility) =>
      viewer.sceneTreeActions.updateNodeAttributes(`/cameras/${views[v].name}`, { overrideVisibility });
    if (hidden !== null) show(hidden, undefined);
    if (view !== null) show(view, false);
    hidden = view;
  }

  function stand(view, fill) {
    const state = viewer.mutable.current, m = node(view).matrixWorld.elements, camera = state.camera;
    const aspect = state.canvas.clientWidth / state.canvas.clientHeight;
    const { horizontal, vertical, distance } = views[view];
    const forWidth = 2 * Math.atan(Math.tan(horizontal / 2) / aspect);
    const fov = fill ? forWidth : Math.max(vertical, forWidth);
    const scale = distance / Math.hypot(m[8], m[9], m[10]);
    const eye = [m[12], m[13], m[14]], ahead = [scale * m[8], scale * m[9], scale * m[10]];
    const target = eye.map((x, i) => x + ahead[i]);
    controls.setLookAt(...eye, ...target, false);
    camera.fov = (fov * 180) / Math.PI;
    camera.updateProjectionMatrix();
    const half = Math.tan(fov / 2), rect = state.canvas.getBoundingClientRect();
    const width = (rect.width * Math.tan(horizontal / 2)) / (half * aspect);
    const height = (rect.height * Math.tan(vertical / 2)) / half;
    Object.assign(frame.parentElement.style, {
      left: `${rect.left}px`, top: `${rect.top}px`, width: `${rect.width}px`, height: `${rect.height}px`,
    });
    Object.assign(frame.style, {
      display: fill ? "none" : "block", width: `${width}px`, height: `${height}px`, outlineColor: views[view].color,
      left: `${(rect.width - width) / 2}px`, top: `${(rect.height - height) / 2}px`,
    });
    last = m.join();
    return { target, back: ahead.map((x) => -x) };
  }

  // The vector v turned by an angle about the unit vector k.
  function turned(v, k, angle) {
    const dot = v.reduce((sum, x, i) => sum + x * k[i], 0), cos = Math.cos(angle), sin = Math.sin(angle);
    const cross = [k[1] * v[2] - k[2] * v[1], k[2] * v[0] - k[0] * v[2], k[0] * v[1] - k[1] * v[0]];
    return v.map((x, i) => cos * x + sin * cross[i] + (1 - cos) * dot * k[i]);
  }

  function leave() {
    through = swing = null;
    frame.style.display = "none";
    hideOnly(null);
    chips.querySelectorAll("button").forEach((button) => button.removeAttribute("aria-pressed"));
  }

  function lookThrough(view) {
    leave();
    through = view;
    hideOnly(view);
    stand(view, false);
    chips.children[view].setAttribute("aria-pressed", "true");
  }

  function open() {
    leave();
    hideOnly(middle);
    swing = { start: performance.now(), up: viewer.mutable.current.camera.up.toArray(), ...stand(middle, true) };
  }

  function tick(now) {
    if (swing) {
      const phase = (2 * Math.PI * (now - swing.start)) / 1000 / SWING_SECONDS;
      const back = turned(swing.back, swing.up, SWING_ANGLE * Math.sin(phase));
      controls.setLookAt(...swing.target.map((x, i) => x + back[i]), ...swing.target, false);
    } else if (through !== null && node(through).matrixWorld.elements.join() !== last) {
      stand(through, false);
    }
    requestAnimationFrame(tick);
  }

  function start() {
    viewer = findViewer();
    controls = viewer && viewer.mutable.current.cameraControl;
    if (!controls || !views.length || !node(middle)) return setTimeout(start, 200);
    controls.addEventListener("controlstart", leave);
    views.forEach(({ name, color }, view) => {
      const button = document.createElement("button");
      button.textContent = name;
      button.style.setProperty("--color", color);
      button.onclick = () => { lookThrough(view); button.blur(); };
      chips.append(button);
    });
    const back = document.createElement("button");
    back.textContent = "Start";
    back.onclick = () => { open(); back.blur(); };
    chips.append(back);
    window.addEventListener("keydown", (event) => {
      if (event.target.closest && event.target.closest("input")) return;
      const view = Number(event.key) - 1;
      if (views[view]) lookThrough(view);
      else if (event.key === "r") open();
    });
    window.addEventListener("resize", () => (through === null ? leave() : stand(through, false)));
    setTimeout(() => { open(); requestAnimationFrame(tick); }, 300);
  }
  if (views.length) start();
})();
